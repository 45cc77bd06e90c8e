"""Pictures and texts that a caller sends, on their way into the running call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gateway import limits
from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.messaging.lru import LruMap
from gateway.bridge.messaging.process_mailbox import CallerInput, ProcessMailbox, RemoteCall
from gateway.call import inputs
from gateway.call.dialogue.image_input import CAMERA
from gateway.errors import PeerError
from gateway.imaging.image_processor import ImageProcessor
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import MessageRequest
from gateway.transports.twilio_media import TwilioMedia

log = structlog.get_logger()
MESSAGE: Final = "message"
PAGE: Final = "page"
_FETCH_AGAIN: Final = "it could not be fetched; they may send it again"
_DECODE_ANOTHER: Final = "it could not be decoded; another photo of the same may work"
_UNUSABLE: Final = {
    "not_an_image": "it is not a JPEG, PNG or WebP picture",
    "heic": "it is in the HEIC format, which cannot be read here; a JPEG can",
    "pdf": "it is a PDF document; a photo of its page can be seen",
    "too_many_pixels": "it has too many pixels; a smaller one can be seen",
    "too_large": "its file is too large; a smaller one can be seen",
    "too_many": "too many pictures were sent in this call already",
    "too_many_scans": _DECODE_ANOTHER,
    "took_too_long": _DECODE_ANOTHER,
    "unreadable": _DECODE_ANOTHER,
    "overloaded": "too many pictures arrive at this moment; it may be sent again",
    "too_slow": _FETCH_AGAIN,
    "unreachable": _FETCH_AGAIN,
    "foreign_url": _FETCH_AGAIN,
}
"""Reasons for the model, by outcome."""


PictureTarget = LiveCall | RemoteCall
"""Call that a picture is for: one of this process, or of another."""


class Pictures:
    """`counted` is told the source and the outcome of each picture that goes no further."""

    def __init__(
        self,
        table: CallTable,
        store: Store,
        media: TwilioMedia,
        image_processor: ImageProcessor,
        tasks: Tasks,
        counted: Callable[[str, str], None],
    ) -> None:
        self._table, self._media = table, media
        self._images, self.uploads = image_processor, image_processor.uploads
        self._tasks, self._counted = tasks, counted
        self._pictures, self._frames = LruMap(_Count), LruMap(_Count)
        self.mailbox = ProcessMailbox(store, lambda: table.calls, self._arrived)

    async def call_between(self, sender: str, to: str) -> PictureTarget | None:
        """The running call of this pair of numbers, whoever called whom; the newest, if many."""
        pair = {sender, to}
        for call in reversed(self._table.calls):
            if {call.facts.caller, call.facts.dialled} == pair and call.machine.takes_pictures:
                return call
        return await self.mailbox.find(sender, to)

    def take(self, message: MessageRequest, target: PictureTarget) -> None:
        """Pass a message into the call, in a task that downloads its pictures."""
        if message.text or message.media:
            self._tasks.start(self._take(message, target), f"message {key_of(target)}")

    def belongs_nowhere(self, message: MessageRequest) -> None:
        for _ in message.media:
            self._counted(MESSAGE, "no_call")

    async def _take(self, message: MessageRequest, target: PictureTarget) -> None:
        fetched = await asyncio.gather(*(self._fetched(url, target) for url in message.media))
        images = tuple(one for one in fetched if not isinstance(one, PeerError))
        errors = [one for one in fetched if isinstance(one, PeerError)]
        for error in errors:
            self._counted(MESSAGE, error.kind)
            log.warning("picture_refused", call_sid=key_of(target), reason=str(error))
        unusable = tuple(_UNUSABLE[error.kind] for error in errors)
        await self._show(
            target, inputs.CallerMessageReceived(MESSAGE, images, message.text, unusable)
        )

    async def _fetched(self, url: str, target: PictureTarget) -> str | PeerError:
        try:
            self._pictures.of(key_of(target)).one_more(limits.images.PICTURES_MAX)
            with self.uploads.upload() as upload:
                return await self._images.shrink_photo(await self._media.fetch(url, upload.add))
        except PeerError as error:
            return error

    async def photo(self, target: PictureTarget, data: bytes) -> bool:
        """Show a photo from the page. False when the call is over; raises PeerError."""
        try:
            self._pictures.of(key_of(target)).one_more(limits.images.PICTURES_MAX)
            image = await self._images.shrink_photo(data)
        except PeerError as error:
            self._counted(PAGE, error.kind)
            raise
        return await self._show(target, inputs.CallerMessageReceived(PAGE, (image,)))

    async def frame(self, target: PictureTarget, data: bytes) -> bool:
        """Show the camera's newest frame. False when the call is over; raises PeerError."""
        try:
            self._frames.of(key_of(target)).one_more(limits.images.CAMERA_FRAMES_MAX)
            image = await self._images.shrink_frame(data)
        except PeerError as error:
            self._counted(CAMERA, error.kind)
            raise
        return await self._show(target, inputs.CameraFrameReceived(image))

    def refused(self, source: str, outcome: str) -> None:
        """Count a picture that was refused before its content was read."""
        self._counted(source, outcome)

    async def _show(self, target: PictureTarget, sent: CallerInput) -> bool:
        if isinstance(target, LiveCall):
            return self._shown(target, sent)
        passed_on = await self.mailbox.send(target, sent)
        self._count(sent, "passed_on" if passed_on else "unreachable")
        return passed_on

    def _arrived(self, key: str, sent: CallerInput) -> None:
        """From another process."""
        self._shown(self._table.call(key), sent)

    def _shown(self, call: LiveCall | None, sent: CallerInput) -> bool:
        taken = call is not None and call.show(sent)
        if not taken:
            self._count(sent, "too_late")
        return taken

    def _count(self, sent: CallerInput, outcome: str) -> None:
        if isinstance(sent, inputs.CameraFrameReceived):
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


def key_of(target: PictureTarget) -> str:
    """Return the key of the call in its process."""
    return target.key if isinstance(target, RemoteCall) else target.facts.key
