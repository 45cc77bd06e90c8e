"""Twilio as a stranger sees it: signatures by its own package, a stream by `websockets`.

Nothing here comes from the gateway or its simulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx2
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TOKEN = "12345"
CALLER = "+14155550123"
RECEPTION = "+15550100"
QUIET = "+15550101"
SILENCE = b"\xff" * 160

_sids = itertools.count(1)


def new_sid(prefix: str) -> str:
    return f"{prefix}{next(_sids):032x}"


def signature(
    url: str, fields: Mapping[str, Any] | None = None, *, token: str = TOKEN, **algorithm: str
) -> str:
    """`fields` may hold lists: values of a name that came more than once."""
    many = _Multi(fields or {})
    signed: str = RequestValidator(token).compute_signature(url, many, **algorithm)
    return signed


class _Multi(dict[str, Any]):
    def getlist(self, name: str) -> list[str]:
        value = self[name]
        return value if isinstance(value, list) else [value]


class Carrier:
    """One account's webhooks and streams to one gateway."""

    def __init__(self, client: httpx2.AsyncClient, public_url: str, account: str) -> None:
        self.client, self.public_url, self.account = client, public_url, account

    @property
    def media_url(self) -> str:
        return f"ws{self.public_url.removeprefix('http')}/twilio/media"

    async def post(
        self, path: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        signed = {"X-Twilio-Signature": signature(self.public_url + path, fields)}
        return await self.client.post(
            path,
            content=urlencode(fields, doseq=True),
            headers={
                "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
                **signed,
                **(headers or {}),
            },
        )

    def call_fields(
        self, call_sid: str, to: str = RECEPTION, status: str = "ringing"
    ) -> dict[str, str]:
        return {
            "CallSid": call_sid,
            "AccountSid": self.account,
            "From": CALLER,
            "To": to,
            "CallStatus": status,
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }

    async def ring(
        self, call_sid: str, to: str = RECEPTION, retry_of: str | None = None
    ) -> httpx2.Response:
        headers = {"I-Twilio-Idempotency-Token": retry_of} if retry_of else None
        return await self.post("/twilio/voice", self.call_fields(call_sid, to), headers)

    async def token(self, call_sid: str, to: str = RECEPTION) -> str:
        """Rings, and takes the stream's token from the answer."""
        return token_in((await self.ring(call_sid, to)).text)

    async def sip_uri(self, call_sid: str, to: str = QUIET) -> str:
        """Rings, and takes the address of the model's leg from the answer."""
        twiml = (await self.ring(call_sid, to)).text
        return ElementTree.fromstring(twiml).findtext("Dial/Sip", "").strip()

    @contextlib.asynccontextmanager
    async def socket(self, **headers: str) -> AsyncIterator[ClientConnection]:
        """The media stream's WebSocket, signed unless a signature is given."""
        url = str(self.client.base_url).replace("http", "ws", 1).rstrip("/") + "/twilio/media"
        signed = {"x-twilio-signature": signature(self.media_url)} | headers
        async with connect(
            url, additional_headers=signed, compression=None, proxy=None, ping_interval=None
        ) as socket:
            yield socket

    @contextlib.asynccontextmanager
    async def call(self, to: str = RECEPTION, *, frames: bool = True) -> AsyncIterator[Stream]:
        """Rings, and connects the caller's sound; marks come back as soon as they are sent."""
        call_sid = new_sid("CA")
        async with self.stream(call_sid, await self.token(call_sid, to)) as stream:
            if frames:
                await stream.speak()
            yield stream

    @contextlib.asynccontextmanager
    async def stream(self, call_sid: str, token: str) -> AsyncIterator[Stream]:
        """A call's sound, connected as the answer to its webhook says; nothing is said yet."""
        async with self.socket() as socket:
            stream = Stream(socket, self.account, call_sid)
            async with stream.listening():
                await stream.start(token)
                yield stream


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def token_in(twiml: str) -> str:
    parameter = ElementTree.fromstring(twiml).find("Connect/Stream/Parameter")
    assert parameter is not None, twiml
    assert parameter.get("name") == "token"
    return parameter.attrib["value"]


class Stream:
    """One media stream, seen from Twilio's end."""

    def __init__(self, socket: ClientConnection, account: str, call_sid: str) -> None:
        self.socket, self.account, self.call_sid = socket, account, call_sid
        self.sid = new_sid("MZ")
        self.heard: list[dict[str, Any]] = []
        self.echo_marks = True
        self._sequence = itertools.count(1)
        self._timestamp_ms = 0
        self._news = asyncio.Event()

    async def send(self, event: str, body: dict[str, Any], **other: Any) -> None:
        await self.socket.send(self.message(event, body, **other))

    def message(self, event: str, body: dict[str, Any], **other: Any) -> str:
        number = str(next(self._sequence))
        whole = {"event": event, "sequenceNumber": number, "streamSid": self.sid, event: body}
        return json.dumps(whole | other)

    def start_message(self, token: str | None, **other: Any) -> str:
        body = {
            "accountSid": self.account,
            "streamSid": self.sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {} if token is None else {"token": token},
        }
        return self.message("start", body | other)

    async def start(self, token: str | None, **other: Any) -> None:
        await self.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await self.socket.send(self.start_message(token, **other))

    def frame(self, mulaw: bytes = SILENCE) -> str:
        body = {
            "track": "inbound",
            "chunk": str(next(self._sequence)),
            "timestamp": str(self._timestamp_ms),
            "payload": b64encode(mulaw).decode(),
        }
        self._timestamp_ms += len(mulaw) // 8
        return self.message("media", body)

    async def speak(self, mulaw: bytes = SILENCE) -> None:
        await self.socket.send(self.frame(mulaw))

    def breathing(self) -> AbstractAsyncContextManager[None]:
        """Fifty frames a second of silence, as long as the stream is open."""
        return _beside(self._breathe())

    async def _breathe(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.speak()
                await asyncio.sleep(0.02)

    async def press(self, digit: str = "5") -> None:
        await self.send("dtmf", {"track": "inbound_track", "digit": digit})

    async def stop(self) -> None:
        await self.send("stop", {"accountSid": self.account, "callSid": self.call_sid})

    def listening(self) -> AbstractAsyncContextManager[None]:
        return _beside(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                message = json.loads(text)
                self.heard.append(message)
                self._news.set()
                if message["event"] == "mark" and self.echo_marks:
                    await self.send("mark", message["mark"])

    async def hears(self, event: str, nth: int = 1) -> dict[str, Any]:
        """The nth message of this kind, as soon as it is there."""
        return (await self.all_heard(event, nth))[nth - 1]

    async def all_heard(self, event: str, least: int = 1) -> list[dict[str, Any]]:
        """All messages of this kind, as soon as there are so many."""
        async with asyncio.timeout(30):
            while len(found := [m for m in self.heard if m["event"] == event]) < least:
                self._news.clear()
                await self._news.wait()
        return found

    async def sound(self, least_bytes: int) -> bytes:
        """The mu-law that came, as soon as there is so much of it."""
        found: list[dict[str, Any]] = []
        while True:
            found = await self.all_heard("media", len(found) + 1)
            mulaw = b"".join(b64decode(message["media"]["payload"]) for message in found)
            if len(mulaw) >= least_bytes:
                return mulaw

    async def closed(self) -> int:
        """The code with which the gateway closed the socket."""
        async with asyncio.timeout(30):
            await self.socket.wait_closed()
        code = self.socket.close_code
        assert code is not None
        return code
