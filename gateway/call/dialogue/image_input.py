"""Photos, texts and camera frames that the caller sends during the call.

A picture is a part of the conversation like a sentence, and is answered like one. Of the camera
the model has one frame at a time: each response is billed for all that it can see.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from msgspec.structs import replace

from gateway import limits
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.greeting import Greeting
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.protocols import realtime_items as items

CAMERA = "camera"


class ImageInput(CallPart):
    """Pictures and texts on their way into the conversation."""

    def __init__(self, ctx: CallContext, greeting: Greeting) -> None:
        self._ctx, self._greeting = ctx, greeting
        self._waiting: deque[inputs.CallerMessageReceived] = deque()
        """Messages that wait for a model that can see them."""
        self._frame: str | None = None
        """The newest camera frame, while it waits."""
        self._frame_item: str | None = None
        """The frame that the session in use has."""
        self._camera_at: float | None = None
        self.handlers = {
            inputs.CallerMessageReceived: self._on_message_received,
            inputs.CameraFrameReceived: self._on_frame_received,
        }

    @property
    def takes_pictures(self) -> bool:
        """Whether there is a conversation that a picture can be a part of, now or soon."""
        return self._ctx.phase in (CallPhase.EXPECTED, CallPhase.TALKING)

    @property
    def waiting(self) -> int:
        """How many messages the model has not seen yet."""
        return len(self._waiting)

    def _on_message_received(self, event: inputs.CallerMessageReceived) -> None:
        if self.takes_pictures and len(self._waiting) < limits.call.PICTURES_WAITING_MAX:
            self._ctx.caller_spoke()
            self._waiting.append(event)
        else:
            self._report(event.source, "too_late", len(event.images))

    def _on_frame_received(self, event: inputs.CameraFrameReceived) -> None:
        if not self.takes_pictures:
            return self._report(CAMERA, "too_late")
        if self._frame is not None:
            self._report(CAMERA, "replaced")
        self._frame = event.image_url
        return None

    def settle(self) -> None:
        if not self._waiting and self._frame is None:
            return
        ready = self._ctx.takes_operator_requests and self._greeting.opened
        if not ready or self._response_begins():
            return
        while self._waiting and self._show_next(self._waiting[0]):
            self._waiting.popleft()
        if self._frame is not None:
            self._show_frame(self._frame)

    def _response_begins(self) -> bool:
        """Return whether a response is about to begin that may see what comes now, or may not."""
        responses = self._ctx.responses
        by_itself = Timer.RESPONSE in self._ctx.timers and not responses.busy
        return by_itself or responses.due or responses.awaiting

    def _show_next(self, sent: inputs.CallerMessageReceived) -> bool:
        """Show one picture of a message; True when all of it was shown.

        More at once would clog up the link to the model, and the caller's voice is behind them.
        """
        if sent.images and Timer.PICTURE in self._ctx.timers:
            return False
        for image_url in sent.images[:1]:
            self._create_item(items.user_image(image_url, prompts.PICTURE[sent.source]))
            self._report(sent.source, "shown")
            self._ctx.wake(Timer.PICTURE, limits.call.PICTURE_EVERY_S)
        if len(sent.images) > 1:
            self._waiting[0] = replace(sent, images=sent.images[1:])
            return False
        self._show_rest(sent)
        return True

    def _show_rest(self, sent: inputs.CallerMessageReceived) -> None:
        """Add what was said with the pictures; all of it together is answered once."""
        ctx = self._ctx
        if sent.images:
            ctx.history.caller_said(ctx.new_id(), prompts.PICTURE_WAS_SENT)
        if sent.text:
            text = prompts.as_text(sent.text)
            item_id = self._create_item(items.user_text(text))
            ctx.history.caller_said(item_id, text)
            ctx.put(events.TranscriptLine("caller", sent.text, item_id))
        for reason in sent.unusable:
            ctx.notify_model(prompts.picture_unusable(reason))
        ctx.request(ResponseRequest("image", any_will_do=True))

    def _show_frame(self, image_url: str) -> None:
        ctx, before, now = self._ctx, self._frame_item, self._ctx.now
        begins = self._camera_at is None or now > self._camera_at + limits.call.CAMERA_PAUSE_S
        self._frame, self._camera_at = None, now
        self._frame_item = self._create_item(items.user_image(image_url, prompts.CAMERA))
        if before is not None:
            ctx.delete_item(before)
        ctx.caller_spoke()
        self._report(CAMERA, "shown")
        if begins:
            ctx.history.caller_said(ctx.new_id(), prompts.CAMERA_WAS_SHOWN)
            ctx.request(ResponseRequest("image", any_will_do=True))

    def _create_item(self, item: dict[str, Any]) -> str:
        """Create an item under an id of ours, by which it can be deleted again."""
        item_id = self._ctx.new_id()
        self._ctx.create_item(item | {"id": item_id})
        return item_id

    def session_ready(self) -> None:
        self._frame_item = None  # a new session has no frame yet

    def session_changes(self) -> None:
        self._frame_item = None

    def call_ends(self) -> None:
        for sent in self._waiting:
            self._report(sent.source, "too_late", len(sent.images))
        if self._frame is not None:
            self._report(CAMERA, "too_late")
        self._waiting.clear()
        self._frame = None

    def _report(self, source: str, outcome: str, count: int = 1) -> None:
        for _ in range(count):
            self._ctx.put(events.PictureSent(source, outcome))
