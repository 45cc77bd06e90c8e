"""Pictures and words on their way from a caller's telephone into the call that he is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import structlog

from gateway.bridge.images import Darkroom
from gateway.bridge.live_call import LiveCall
from gateway.bridge.switchboard import Switchboard
from gateway.bridge.tasks import Tasks
from gateway.call import inputs
from gateway.call.sight import CAMERA
from gateway.errors import PeerError
from gateway.limits import CAMERA_FRAMES_MAX, CAMERA_SIDE_MAX_PX, PICTURES_MAX
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


class Photos:
    """`counted` is told the source and the outcome of each picture that goes no further."""

    def __init__(
        self,
        switchboard: Switchboard,
        media: TwilioMedia,
        darkroom: Darkroom,
        tasks: Tasks,
        counted: Callable[[str, str], None],
    ) -> None:
        self._switchboard, self._media, self._darkroom = switchboard, media, darkroom
        self._tasks, self._counted = tasks, counted
        self._pictures: WeakKeyDictionary[LiveCall, int] = WeakKeyDictionary()
        self._frames: WeakKeyDictionary[LiveCall, int] = WeakKeyDictionary()

    def call_between(self, sender: str, to: str) -> LiveCall | None:
        """The running call of this pair of numbers, whoever called whom; the newest, if many."""
        pair = {sender, to}
        found = (
            call
            for call in reversed(self._switchboard.calls)
            if {call.facts.caller, call.facts.dialled} == pair and call.mind.takes_pictures
        )
        return next(found, None)

    def take(self, message: MessageRequest, call: LiveCall) -> None:
        """Into the call, as soon as its pictures are here; nobody waits for that."""
        if message.text or message.media:
            self._tasks.start(self._take(message, call), f"message for {call.facts.key}")

    def belongs_nowhere(self, message: MessageRequest) -> None:
        for _ in message.media:
            self._counted(MESSAGE, "no_call")

    async def _take(self, message: MessageRequest, call: LiveCall) -> None:
        fetched = await asyncio.gather(*(self._fetched(url, call) for url in message.media))
        images = tuple(one for one in fetched if not isinstance(one, PeerError))
        errors = [one for one in fetched if isinstance(one, PeerError)]
        for error in errors:
            self._counted(MESSAGE, error.kind)
            log.warning("a picture cannot be shown", call=call.facts.key, reason=str(error))
        unusable = tuple(_UNUSABLE[error.kind] for error in errors)
        sent = inputs.SentByCaller(MESSAGE, images, message.text, unusable)
        if not call.show(sent):
            for _ in images:
                self._counted(MESSAGE, "too_late")

    async def _fetched(self, url: str, call: LiveCall) -> str | PeerError:
        try:
            self._one_more(self._pictures, call, PICTURES_MAX)
            return await self._darkroom.develop(await self._media.fetch(url))
        except PeerError as error:
            return error

    async def photo(self, call: LiveCall, data: bytes) -> bool:
        """From the page. False when the call is over; raises PeerError."""
        try:
            self._one_more(self._pictures, call, PICTURES_MAX)
            image = await self._darkroom.develop(data)
        except PeerError as error:
            self._counted(PAGE, error.kind)
            raise
        return self._shown(call, PAGE, inputs.SentByCaller(PAGE, (image,)))

    async def frame(self, call: LiveCall, data: bytes) -> bool:
        """The camera's newest. False when the call is over; raises PeerError."""
        try:
            self._one_more(self._frames, call, CAMERA_FRAMES_MAX)
            image = await self._darkroom.develop(data, CAMERA_SIDE_MAX_PX)
        except PeerError as error:
            self._counted(CAMERA, error.kind)
            raise
        return self._shown(call, CAMERA, inputs.CameraShown(image))

    def refused(self, source: str, outcome: str) -> None:
        """At the door, before anything was looked at."""
        self._counted(source, outcome)

    def _shown(
        self, call: LiveCall, source: str, sent: inputs.SentByCaller | inputs.CameraShown
    ) -> bool:
        taken = call.show(sent)
        if not taken:
            self._counted(source, "too_late")
        return taken

    def _one_more(
        self, counts: WeakKeyDictionary[LiveCall, int], call: LiveCall, most: int
    ) -> None:
        counts[call] = counts.get(call, 0) + 1
        if counts[call] > most:
            raise PeerError("too_many")
