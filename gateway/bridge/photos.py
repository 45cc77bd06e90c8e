"""Pictures and words on their way from a caller's telephone into the call that he is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gateway.bridge.images import Darkroom
from gateway.bridge.kept import Kept
from gateway.bridge.live_call import LiveCall
from gateway.bridge.relay import Elsewhere, Relay, Sent
from gateway.bridge.switchboard import Switchboard
from gateway.bridge.tasks import Tasks
from gateway.call import inputs
from gateway.call.sight import CAMERA
from gateway.errors import PeerError
from gateway.limits import CAMERA_FRAMES_MAX, CAMERA_SIDE_MAX_PX, PICTURES_MAX
from gateway.ops.store import Store
from gateway.protocols.twilio_webhooks import MessageRequest
from gateway.transports.twilio_media import TwilioMedia

log = structlog.get_logger()
MESSAGE: Final = "message"
PAGE: Final = "page"
_FETCH_AGAIN: Final = "it could not be fetched; he may send it again"
_UNUSABLE: Final = {
    "not_an_image": "it is not a JPEG, PNG or WebP picture",
    "heic": "it is in the HEIC format, which cannot be read here; a JPEG can",
    "pdf": "it is a PDF document; a photo of its page can be seen",
    "too_many_pixels": "it has too many pixels; a smaller one can be seen",
    "too_large": "its file is too large; a smaller one can be seen",
    "too_many": "too many pictures were sent in this call already",
    "too_slow": _FETCH_AGAIN,
    "unreachable": _FETCH_AGAIN,
    "foreign_url": _FETCH_AGAIN,
}
"""For the model, by outcome."""


Target = LiveCall | Elsewhere
"""Where it belongs: a call of this process, or of another."""


class Photos:
    """`counted` is told the source and the outcome of each picture that goes no further."""

    def __init__(
        self,
        switchboard: Switchboard,
        store: Store,
        media: TwilioMedia,
        darkroom: Darkroom,
        tasks: Tasks,
        counted: Callable[[str, str], None],
    ) -> None:
        self._switchboard, self._media, self._darkroom = switchboard, media, darkroom
        self._tasks, self._counted = tasks, counted
        self._pictures, self._frames = Kept(_Count), Kept(_Count)
        self.relay = Relay(store, lambda: switchboard.calls, self._arrived)

    async def call_between(self, sender: str, to: str) -> Target | None:
        """The running call of this pair of numbers, whoever called whom; the newest, if many."""
        pair = {sender, to}
        for call in reversed(self._switchboard.calls):
            if {call.facts.caller, call.facts.dialled} == pair and call.mind.takes_pictures:
                return call
        return await self.relay.find(sender, to)

    def take(self, message: MessageRequest, target: Target) -> None:
        """Into the call, as soon as its pictures are here; nobody waits for that."""
        if message.text or message.media:
            self._tasks.start(self._take(message, target), f"message for {key_of(target)}")

    def belongs_nowhere(self, message: MessageRequest) -> None:
        for _ in message.media:
            self._counted(MESSAGE, "no_call")

    async def _take(self, message: MessageRequest, target: Target) -> None:
        fetched = await asyncio.gather(*(self._fetched(url, target) for url in message.media))
        images = tuple(one for one in fetched if not isinstance(one, PeerError))
        errors = [one for one in fetched if isinstance(one, PeerError)]
        for error in errors:
            self._counted(MESSAGE, error.kind)
            log.warning("a picture cannot be shown", call=key_of(target), reason=str(error))
        unusable = tuple(_UNUSABLE[error.kind] for error in errors)
        await self._show(target, inputs.SentByCaller(MESSAGE, images, message.text, unusable))

    async def _fetched(self, url: str, target: Target) -> str | PeerError:
        try:
            self._pictures.of(key_of(target)).one_more(PICTURES_MAX)
            return await self._darkroom.develop(await self._media.fetch(url))
        except PeerError as error:
            return error

    async def photo(self, target: Target, data: bytes) -> bool:
        """From the page. False when the call is over; raises PeerError."""
        try:
            self._pictures.of(key_of(target)).one_more(PICTURES_MAX)
            image = await self._darkroom.develop(data)
        except PeerError as error:
            self._counted(PAGE, error.kind)
            raise
        return await self._show(target, inputs.SentByCaller(PAGE, (image,)))

    async def frame(self, target: Target, data: bytes) -> bool:
        """The camera's newest. False when the call is over; raises PeerError."""
        try:
            self._frames.of(key_of(target)).one_more(CAMERA_FRAMES_MAX)
            image = await self._darkroom.develop(data, CAMERA_SIDE_MAX_PX)
        except PeerError as error:
            self._counted(CAMERA, error.kind)
            raise
        return await self._show(target, inputs.CameraShown(image))

    def refused(self, source: str, outcome: str) -> None:
        """At the door, before anything was looked at."""
        self._counted(source, outcome)

    async def _show(self, target: Target, sent: Sent) -> bool:
        if isinstance(target, LiveCall):
            return self._shown(target, sent)
        passed_on = await self.relay.send(target, sent)
        self._count(sent, "passed_on" if passed_on else "unreachable")
        return passed_on

    def _arrived(self, key: str, sent: Sent) -> None:
        """From another process."""
        self._shown(self._switchboard.call(key), sent)

    def _shown(self, call: LiveCall | None, sent: Sent) -> bool:
        taken = call is not None and call.show(sent)
        if not taken:
            self._count(sent, "too_late")
        return taken

    def _count(self, sent: Sent, outcome: str) -> None:
        if isinstance(sent, inputs.CameraShown):
            self._counted(CAMERA, outcome)
        else:
            for _ in sent.images:
                self._counted(sent.source, outcome)


class _Count:
    def __init__(self) -> None:
        self._so_far = 0

    def one_more(self, most: int) -> None:
        self._so_far += 1
        if self._so_far > most:
            raise PeerError("too_many")


def key_of(target: Target) -> str:
    """What the call is known by in its process."""
    return target.key if isinstance(target, Elsewhere) else target.facts.key
