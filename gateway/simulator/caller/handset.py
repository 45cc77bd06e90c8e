"""Messages of the caller's telephone: texts and photos sent, texted links opened."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4
from xml.etree import ElementTree

import httpx2
from PIL import Image, ImageDraw

from gateway.simulator.scenario.steps import GENERATED, OpenLink, SendText
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.messaging import Medium, SimMessaging
from gateway.simulator.twilio.webhooks import WebhookFailed

POLL_S: Final = 0.05
_LINK: Final = re.compile(r"https?://\S+/photo/[A-Za-z0-9_-]{16,}")
PHOTO_SIZE: Final = (2016, 1512)
_ORIENTATION, _MODEL, _GPS_INFO, _LATITUDE = 0x0112, 0x0110, 0x8825, 2
_TYPES: Final = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass
class Handset:
    """Messaging side of the caller's telephone."""

    call: TwilioCall
    messaging: SimMessaging
    rest_url: str
    """Where the gateway fetches the media of messages."""
    message_url: str
    received: list[str] = field(default_factory=list)
    """Texts in the answers to the caller's own messages."""

    @property
    def texts(self) -> list[str]:
        """Every text that the caller received."""
        return [text.body for text in self.messaging.to(self.call.parties.caller)] + self.received

    async def prepare(self, photos: list[Path | str]) -> None:
        """Generate the photo before the call: during the call the delay would be audible."""
        if GENERATED in photos:
            await asyncio.to_thread(generated_photo)

    async def send(self, wanted: SendText) -> str:
        """Send a message as Twilio forwards it. Return what failed, or nothing."""
        sid = ("MM" if wanted.photos else "SM") + uuid4().hex
        self.call.line.log("texted", f"{len(wanted.photos)} photos: {wanted.body}")
        try:
            answer = await self.call.webhooks.request(self.message_url, self._fields(sid, wanted))
            self.received += _replies(answer.text)
        except (WebhookFailed, ElementTree.ParseError, ValueError) as error:
            return f"the message did not arrive: {error}"
        return ""

    def _fields(self, sid: str, wanted: SendText) -> dict[str, str]:
        channel = "whatsapp:" if wanted.whatsapp else ""
        fields = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "AccountSid": self.call.webhooks.account.sid,
            "ApiVersion": "2010-04-01",
            "From": channel + self.call.parties.caller,
            "To": channel + self.call.parties.called,
            "Body": wanted.body,
            "NumMedia": str(len(wanted.photos)),
            "NumSegments": "1",
        }
        for number, photo in enumerate(wanted.photos):
            medium = _medium(photo)
            fields[f"MediaUrl{number}"] = self.rest_url + self.messaging.store(sid, medium)
            fields[f"MediaContentType{number}"] = medium.media_type
        return fields

    async def open_link(self, wanted: OpenLink) -> str:
        """Send a photo by the page of the newest texted link. Return what failed, or nothing."""
        url = await self._newest_link(wanted.timeout_s)
        if url is None:
            return f"no link was texted: {self.texts}"
        medium = _medium(wanted.photo)
        address, client = self.call.webhooks.reach.real(url), self.call.webhooks.client
        try:
            page = await client.get(address)
            if page.status_code != 200 or 'type="file"' not in page.text:
                return f"the page cannot be used: {page.status_code}"
            kind = {"Content-Type": medium.media_type}
            sent = await client.post(address, content=medium.content, headers=kind)
        except httpx2.HTTPError as error:
            return f"the page cannot be reached: {type(error).__name__}"
        self.call.line.log("photo_uploaded", f"{len(medium.content)} bytes: {sent.status_code}")
        return "" if sent.status_code == 202 else f"the photo was refused: {sent.status_code}"

    async def _newest_link(self, timeout_s: float) -> str | None:
        for _ in range(int(timeout_s / POLL_S)):
            found = _LINK.findall("\n".join(self.texts))
            if found or self.call.line.over.is_set():
                return str(found[-1]) if found else None
            await asyncio.sleep(POLL_S)
        return None


@cache
def generated_photo() -> bytes:
    """Return a JPEG of half a megabyte, rotated by EXIF and with a GPS position."""
    grain = Image.effect_noise((PHOTO_SIZE[0] // 4, PHOTO_SIZE[1] // 4), 24)
    picture = grain.resize(PHOTO_SIZE, Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((300, 400, 1700, 1100), 80, fill=(52, 74, 82), outline="white", width=12)
    draw.text((480, 680), "PUMP 4711-B", fill="white", font_size=150)
    exif = Image.Exif()
    exif[_ORIENTATION], exif[_MODEL] = 6, "Practice telephone"
    exif.get_ifd(_GPS_INFO)[_LATITUDE] = (52.0, 30.0, 59.0)
    buffer = io.BytesIO()
    picture.rotate(90, expand=True).save(buffer, "JPEG", quality=88, exif=exif)
    return buffer.getvalue()


def _medium(photo: Path | str) -> Medium:
    if photo == GENERATED:
        return Medium(generated_photo(), "image/jpeg")
    path = Path(photo)
    kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
    return Medium(path.read_bytes(), kind)


def _replies(document: str) -> list[str]:
    """Return the texts of a messaging document. Raises ParseError, ValueError."""
    root = ElementTree.fromstring(document)  # noqa: S314 - expat expands no external entity
    if root.tag != "Response" or any(child.tag != "Message" for child in root):
        raise ValueError("the answer is no messaging TwiML")
    return ["".join(child.itertext()).strip() for child in root]
