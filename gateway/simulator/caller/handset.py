"""What the caller's telephone does beside talking: sends texts and photos, opens a texted link."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4
from xml.etree import ElementTree

import httpx2

from gateway.simulator.caller.photo import generated
from gateway.simulator.scenario.schema import GENERATED, OpenLink, SendText
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.messaging import Medium, SimMessaging
from gateway.simulator.twilio.webhooks import WebhookFailed

LOOK_S: Final = 0.05
_LINK: Final = re.compile(r"https?://\S+/photo/[A-Za-z0-9_-]{16,}")
_TYPES: Final = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass
class Handset:
    """`rest_url` is where the carrier keeps what it sends on."""

    call: TwilioCall
    mailbox: SimMessaging
    rest_url: str
    message_url: str
    received: list[str] = field(default_factory=list)
    """Texts that answered his own."""

    @property
    def texts(self) -> list[str]:
        """Everything that he was texted."""
        return [text.body for text in self.mailbox.to(self.call.parties.caller)] + self.received

    async def prepare(self, photos: list[Path | str]) -> None:
        """A photo that is made up takes its time, in which nobody would hear the caller."""
        if GENERATED in photos:
            await asyncio.to_thread(generated)

    async def send(self, wanted: SendText) -> str:
        """As Twilio hands it on. Returns what was wrong, or nothing."""
        sid = ("MM" if wanted.photos else "SM") + uuid4().hex
        self.call.line.note("texted", f"{len(wanted.photos)} photos: {wanted.body}")
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
            fields[f"MediaUrl{number}"] = self.rest_url + self.mailbox.keep(sid, medium)
            fields[f"MediaContentType{number}"] = medium.media_type
        return fields

    async def open_link(self, wanted: OpenLink) -> str:
        """The newest that he was texted: looks at the page and sends a photo by it."""
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
        self.call.line.note("showed", f"{len(medium.content)} bytes: {sent.status_code}")
        return "" if sent.status_code == 202 else f"the photo was refused: {sent.status_code}"

    async def _newest_link(self, timeout_s: float) -> str | None:
        for _ in range(int(timeout_s / LOOK_S)):
            found = _LINK.findall("\n".join(self.texts))
            if found or self.call.line.over.is_set():
                return str(found[-1]) if found else None
            await asyncio.sleep(LOOK_S)
        return None


def _medium(photo: Path | str) -> Medium:
    if photo == GENERATED:
        return Medium(generated(), "image/jpeg")
    path = Path(photo)
    kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
    return Medium(path.read_bytes(), kind)


def _replies(document: str) -> list[str]:
    """The texts of a messaging document. Raises ParseError, ValueError."""
    root = ElementTree.fromstring(document)  # noqa: S314 - expat expands no external entity
    if root.tag != "Response" or any(child.tag != "Message" for child in root):
        raise ValueError("the answer is no messaging TwiML")
    return ["".join(child.itertext()).strip() for child in root]
