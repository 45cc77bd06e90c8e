"""A SIP call on the table: connector, webhook, the vendor's client and the carrier's leg."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from session_rig import assert_vendor_event
from webhook_rig import PROJECT, SECRET, WebhookRig, webhook_rig
from websockets.asyncio.client import ClientConnection, connect

from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import parse_script
from gateway.simulator.openai_project import SipAccount

URI = f"sip:{PROJECT}@sip.api.openai.com;transport=tls"
HEADERS = [
    {"name": "From", "value": '"Ann" <sip:+15550199@carrier.example>;tag=1'},
    {"name": "To", "value": f"<{URI}>"},
    {"name": "X-Tenant", "value": "one"},
    {"name": "x-tenant", "value": "two"},
    {"name": "Proxy-Authorization", "value": "Digest secret"},
]


@dataclass
class SipRig:
    model: ModelServer
    webhook: WebhookRig
    client: AsyncOpenAI
    http: httpx2.AsyncClient

    def play(self, script: str = "") -> SipRig:
        """As new, for the next test, by this script."""
        self.model.script = parse_script(script)
        self.model.sip.script = self.model.script.sip
        self.model.journal.clear()
        self.webhook.reset()
        return self

    async def invite(self, uri: str = URI, **more: Any) -> dict[str, Any]:
        body = {"uri": uri, "headers": HEADERS, "media": "srtp", **more}
        answer = await self.http.post(self.model.url + "/simulator/invite", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def control(self, call_id: str, verb: str, body: Any = None) -> httpx2.Response:
        url = f"{self.model.base_url}/realtime/calls/{call_id}/{verb}"
        return await self.http.post(url, json=body, headers={"Authorization": "Bearer sk-test"})

    @asynccontextmanager
    async def leg(self, call: dict[str, Any]) -> AsyncIterator[Leg]:
        url = self.model.url.replace("http", "ws") + call["media"]
        async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
            yield Leg(socket)

    @asynccontextmanager
    async def talking(self, **session: Any) -> AsyncIterator[tuple[str, Leg, Sideband]]:
        """A call that was accepted and answered, with a sideband."""
        call = await self.invite()
        call_id = call["call_id"]
        async with self.leg(call) as leg:
            accepted = {"type": "realtime", "model": "gpt-realtime-2.1", **session}
            await self.client.realtime.calls.accept(call_id, **accepted)
            assert await leg.signal() == {"sip": 180}
            assert await leg.signal() == {"sip": 200}
            async with self.client.realtime.connect(
                call_id=call_id, websocket_connection_options={"max_queue": None}
            ) as connection:
                yield call_id, leg, Sideband(connection)


@dataclass
class Leg:
    """What the carrier hears of a call."""

    socket: ClientConnection
    sound: bytes = b""

    async def signal(self) -> dict[str, Any]:
        """The next signal; sound before it is kept."""
        async with asyncio.timeout(30):
            while isinstance(message := await self.socket.recv(), bytes):
                self.sound += message[4:]
        return dict(json.loads(message))

    async def listen(self, size_bytes: int) -> bytes:
        async with asyncio.timeout(30):
            while len(self.sound) < size_bytes:
                message = await self.socket.recv()
                assert isinstance(message, bytes), message
                self.sound += message[4:]
        return self.sound

    async def speak(self, mulaw: bytes) -> None:
        for at in range(0, len(mulaw), 160):
            await self.socket.send(mulaw[at : at + 160])

    async def press(self, digit: str) -> None:
        await self.socket.send(json.dumps({"dtmf": digit}))


@dataclass
class Sideband:
    connection: AsyncRealtimeConnection

    async def until(self, *kinds: str) -> list[dict[str, Any]]:
        """Events up to the first of these kinds, each one checked against the vendor's types."""
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while not seen or seen[-1]["type"].strip() not in kinds:
                message = await self.connection.recv_bytes()
                event = json.loads(message)
                seen.append(event if event["type"][0] == " " else assert_vendor_event(message))
        return seen


@asynccontextmanager
async def sip_rig() -> AsyncIterator[SipRig]:
    async with webhook_rig() as webhook, httpx2.AsyncClient(verify=False, trust_env=False) as http:
        account = SipAccount(PROJECT, webhook.url, (SECRET,))
        async with running_model(sip=account) as model:
            client = AsyncOpenAI(api_key="sk-test", base_url=model.base_url, max_retries=0)
            async with client:
                yield SipRig(model, webhook, client, http)
