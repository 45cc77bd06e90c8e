"""What the caller shows and writes while he talks: photos, texts, and the newest of his camera.

A picture is a part of the conversation like a sentence, and is answered like one. Of the camera
the model has one frame at a time: each response is billed for all that it can see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.call.tools.function_calls import ToolCalls
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items

CAMERA = "camera"


class SightedCall(ToolCalls):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, session, new_id, now)
        self._unseen: deque[inputs.CallerMessageReceived] = deque()
        """What waits for a model that can see it."""
        self._frame: str | None = None
        """The camera's newest, that waits."""
        self._frame_item: str | None = None
        """The one that the session in use has."""
        self._camera_at: float | None = None

    @property
    def takes_pictures(self) -> bool:
        """Whether there is a conversation that a picture can be a part of, now or soon."""
        return self.life in (CallPhase.EXPECTED, CallPhase.TALKING)

    def _sight_table(self) -> dict[type, Callable[[Any], None]]:
        return {
            inputs.CallerMessageReceived: self._on_sent,
            inputs.CameraFrameReceived: self._on_camera_shown,
        }

    def _on_sent(self, event: inputs.CallerMessageReceived) -> None:
        room = self.takes_pictures and len(self._unseen) < limits.call.PICTURES_WAITING_MAX
        if room:
            self._silence.caller_spoke()
            self._unseen.append(event)
        else:
            self._tell_fate(event.source, "too_late", len(event.images))

    def _on_camera_shown(self, event: inputs.CameraFrameReceived) -> None:
        if not self.takes_pictures:
            return self._tell_fate(CAMERA, "too_late")
        if self._frame is not None:
            self._tell_fate(CAMERA, "replaced")
        self._frame = event.image_url
        return None

    def _settle(self) -> None:
        if self._unseen or self._frame is not None:
            self._show()
        super()._settle()

    def _show(self) -> None:
        if not self.takes_wishes or not self._opened or self._response_begins():
            return
        while self._unseen and self._show_more(self._unseen[0]):
            self._unseen.popleft()
        if self._frame is not None:
            self._show_frame(self._frame)

    def _response_begins(self) -> bool:
        """One that is asked for, now or before, or due by itself: it may see what comes, or not."""
        by_itself = Timer.RESPONSE in self._desk.timers and not self.responses.busy
        return by_itself or self.responses.due or self.responses.awaiting

    def _show_more(self, sent: inputs.CallerMessageReceived) -> bool:
        """Whether all of it was shown. One picture at a time: more would clog up the model's link,
        and the caller's voice is behind them."""
        if sent.images and Timer.PICTURE in self._desk.timers:
            return False
        for image_url in sent.images[:1]:
            self._item(items.user_image(image_url, prompts.PICTURE[sent.source]))
            self._tell_fate(sent.source, "shown")
            self._desk.wake(Timer.PICTURE, limits.call.PICTURE_EVERY_S)
        if len(sent.images) > 1:
            self._unseen[0] = replace(sent, images=sent.images[1:])
            return False
        self._show_rest(sent)
        return True

    def _show_rest(self, sent: inputs.CallerMessageReceived) -> None:
        """What is said with the pictures; all of it together is answered once."""
        if sent.images:
            self.memory.caller_said(self._desk.new_id(), prompts.PICTURE_WAS_SENT)
        if sent.text:
            told = prompts.as_text(sent.text)
            item_id = self._item(items.user_text(told))
            self.memory.caller_said(item_id, told)
            self._note(events.TranscriptLine("caller", sent.text, item_id))
        for reason in sent.unusable:
            self._tell_model(prompts.picture_unusable(reason))
        self._want(ResponseRequest("image", any_will_do=True))

    def _show_frame(self, image_url: str) -> None:
        before, now = self._frame_item, self._desk.now
        begins = self._camera_at is None or now > self._camera_at + limits.call.CAMERA_PAUSE_S
        self._frame, self._camera_at = None, now
        self._frame_item = self._item(items.user_image(image_url, prompts.CAMERA))
        if before is not None:
            self._desk.to_model(to_model.item_delete(before, self._desk.new_id()))
        self._silence.caller_spoke()
        self._tell_fate(CAMERA, "shown")
        if begins:
            self.memory.caller_said(self._desk.new_id(), prompts.CAMERA_WAS_SHOWN)
            self._want(ResponseRequest("image", any_will_do=True))

    def _item(self, item: dict[str, Any]) -> str:
        """Under an id of ours, by which it can be taken away again."""
        item_id = self._desk.new_id()
        self._desk.to_model(to_model.item_create(item | {"id": item_id}, self._desk.new_id()))
        return item_id

    def _recall(self) -> list[bytes]:
        self._frame_item = None  # another session, which has no frame yet
        return super()._recall()

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is not CallPhase.CLOSED:
            for sent in self._unseen:
                self._tell_fate(sent.source, "too_late", len(sent.images))
            if self._frame is not None:
                self._tell_fate(CAMERA, "too_late")
            self._unseen.clear()
            self._frame = None
        super()._end(ending, reason)

    def _tell_fate(self, source: str, outcome: str, count: int = 1) -> None:
        for _ in range(count):
            self._note(events.PictureSent(source, outcome))
