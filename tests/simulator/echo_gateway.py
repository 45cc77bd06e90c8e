"""The least that can answer a call: checks signatures with Twilio's own validator, and echoes."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from twilio.request_validator import RequestValidator
from voices import is_loud, tone

TWIML = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Connect action="/twilio/after"><Stream url="{url}" statusCallback="{base}/twilio/stream">
<Parameter name="token" value="one &amp; only"/></Stream></Connect></Response>"""


@dataclass
class EchoGateway:
    """Greets with a tone, gives each utterance back after 300 ms of silence, stops when spoken to.

    The last answer ends the call over REST when `turns` were had.
    """

    base: str
    account: tuple[str, str]
    rest_url: str = ""
    turns: int = 2
    twiml: str = TWIML
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    messages: list[dict] = field(default_factory=list)
    refused: int = 0
    junk_first: bytes | str | None = None

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/twilio/voice", self.voice, methods=["POST"]),
                Route("/twilio/{what}", self.noted, methods=["POST"]),
                WebSocketRoute("/twilio/media", self.media),
            ]
        )

    def verified(self, url: str, fields: dict[str, str], signature: str) -> bool:
        valid = RequestValidator(self.account[1]).validate(url, fields, signature)
        self.refused += not valid
        return valid

    async def read(self, request: Request) -> bool:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.posts.append((request.url.path, form))
        signature = request.headers.get("X-Twilio-Signature", "")
        return self.verified(self.base + request.url.path, form, signature)

    async def voice(self, request: Request) -> Response:
        if not await self.read(request):
            return Response(status_code=403)
        url = self.base.replace("http", "ws") + "/twilio/media"
        return Response(self.twiml.format(url=url, base=self.base), media_type="text/xml")

    async def noted(self, request: Request) -> Response:
        if not await self.read(request):
            return Response(status_code=403)
        return Response("<Response/>", media_type="text/xml")

    async def media(self, socket: WebSocket) -> None:
        url = self.base.replace("http", "ws") + "/twilio/media"
        if not self.verified(url, {}, socket.headers.get("x-twilio-signature", "")):
            await socket.close(4403)
            return
        await socket.accept()
        with suppress(WebSocketDisconnect):
            await _Conversation(self, socket).run()


class _Conversation:
    def __init__(self, gateway: EchoGateway, socket: WebSocket) -> None:
        self.gateway, self.socket = gateway, socket
        self.sid = self.call_sid = ""
        self.heard = bytearray()
        self.quiet_ms = 0
        self.playing = False
        self.turns = 0

    async def run(self) -> None:
        while True:
            message = json.loads(await self.socket.receive_text())
            self.gateway.messages.append(message)
            await getattr(self, "on_" + message["event"])(message)

    async def on_connected(self, message: dict) -> None: ...
    async def on_dtmf(self, message: dict) -> None: ...
    async def on_stop(self, message: dict) -> None: ...

    async def on_start(self, message: dict) -> None:
        self.sid, self.call_sid = message["streamSid"], message["start"]["callSid"]
        if isinstance(self.gateway.junk_first, bytes):
            await self.socket.send_bytes(self.gateway.junk_first)
        elif self.gateway.junk_first:
            await self.socket.send_text(self.gateway.junk_first)
        await self.play(tone(160), "greeting")

    async def on_media(self, message: dict) -> None:
        frame = b64decode(message["media"]["payload"])
        if is_loud(frame):
            if self.playing:
                await self.send({"event": "clear", "streamSid": self.sid})
                self.playing = False
            self.quiet_ms = 0
            self.heard += frame
        elif self.heard:
            self.quiet_ms += len(frame) // 8
            self.heard += frame
            if self.quiet_ms >= 300:
                self.turns += 1
                await self.play(bytes(self.heard.rstrip(b"\xff")), f"turn {self.turns}")
                self.heard.clear()

    async def on_mark(self, message: dict) -> None:
        self.playing = False
        if self.turns >= self.gateway.turns and self.gateway.rest_url:
            path = f"/2010-04-01/Accounts/{self.gateway.account[0]}/Calls/{self.call_sid}.json"
            async with httpx2.AsyncClient(verify=False, auth=self.gateway.account) as client:
                url = self.gateway.rest_url + path
                answer = await client.post(url, data={"Status": "completed"})
                assert answer.status_code == 200, answer.text
                await asyncio.sleep(0)

    async def play(self, mulaw: bytes, mark: str) -> None:
        self.playing = True
        for at in range(0, len(mulaw), 800):
            payload = b64encode(mulaw[at : at + 800]).decode()
            media = {"payload": payload}
            await self.send({"event": "media", "streamSid": self.sid, "media": media})
        await self.send({"event": "mark", "streamSid": self.sid, "mark": {"name": mark}})

    async def send(self, message: dict) -> None:
        await self.socket.send_text(json.dumps(message))
