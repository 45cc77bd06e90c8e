"""Smallest gateway of SIP calls: TwiML that dials, a webhook endpoint, the vendor's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from sip_rig import Sideband
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator
from voices import speak_tone
from webhook_rig import PROJECT, SECRET, WebhookRig

from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script, SipScript
from gateway.simulator.openai_project import SipAccount
from gateway.simulator.rehearsal.runner import SimulatedCarrier, carrier
from gateway.simulator.twilio.rest_api import listening
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

ACCOUNT = Account("AC" + "0" * 32, "secret")
URI = f"sip:{PROJECT}@sip.api.openai.com;transport=tls;secure=true"
DIAL = """<Dial answerOnBridge='true' timeout='3' action='/twilio/after' referUrl='/twilio/refer'>
<Sip>{uri}</Sip></Dial>"""
SESSION: Any = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}},
}


@dataclass
class SipGateway:
    """What a test says that it does: documents by path, and what becomes of an incoming call.

    Of several documents at a path each is given once, and the last one from then on.
    """

    url: str
    webhook: WebhookRig
    client: AsyncOpenAI
    twilio: SimulatedCarrier
    model: ModelServer
    documents: dict[str, str | list[str]] = field(default_factory=dict)
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refused: int = 0

    async def twiml(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.posts.append((request.url.path, form))
        signature = request.headers.get("X-Twilio-Signature", "")
        url = self.url + request.url.path
        if not RequestValidator(ACCOUNT.token).validate(url, form, signature):
            self.refused += 1
        verbs = self.documents.get(request.url.path, "")
        if isinstance(verbs, list):
            verbs = verbs.pop(0) if len(verbs) > 1 else verbs[0]
        return Response(f"<Response>{verbs}</Response>", media_type="text/xml")

    def reset(self) -> SipGateway:
        """As new, for the next test."""
        self.documents.clear()
        self.posts.clear()
        self.twilio.reachable.queues.by_name.clear()
        self.model.journal.clear()
        self.webhook.reset()
        self.refused = 0
        self.model.sip.script = SipScript(sideband_404_ms=10)
        return self

    def dials(self, uri: str = URI) -> None:
        self.documents["/twilio/voice"] = DIAL.format(uri=uri)

    def form(self, path: str) -> dict[str, str]:
        return self.forms(path)[0]

    def forms(self, path: str) -> list[dict[str, str]]:
        return [form for at, form in self.posts if at == path]

    async def accept(self) -> str:
        """The next incoming call, accepted."""
        event = await self.webhook.next()
        await self.client.realtime.calls.accept(event.data.call_id, **SESSION)
        return str(event.data.call_id)

    @asynccontextmanager
    async def sideband(self, call_id: str) -> AsyncIterator[Sideband]:
        """Retried while the session does not exist yet, by the vendor's own client."""
        unread: Any = {"max_queue": None}
        manager = self.client.realtime.connect(call_id=call_id, websocket_connection_options=unread)
        async with asyncio.timeout(5):
            connection = await _entered(manager)
        try:
            yield Sideband(connection)
        finally:
            await manager.__aexit__(None, None, None)


async def _entered(manager: Any) -> AsyncRealtimeConnection:
    while True:
        try:
            return await manager.__aenter__()
        except Exception as error:  # the client wraps what the library raised
            if "404" not in f"{error} {error.__cause__}":
                raise
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sip_gateway() -> AsyncIterator[SipGateway]:
    """One gateway with its model and its carrier, for many calls."""
    webhook = WebhookRig()
    gateway: SipGateway

    async def twiml(request: Request) -> Response:
        return await gateway.twiml(request)

    routes = [
        Route("/openai/webhook", webhook.take, methods=["POST"]),
        Route("/twilio/{what}", twiml, methods=["POST"]),
    ]
    async with listening(Starlette(routes=routes), 0) as url:
        account = SipAccount(PROJECT, url + "/openai/webhook", (SECRET,))
        reach = GatewayAddress(url, url)
        async with (
            running_model(Script(speed=200, think_ms=0), sip=account) as model,
            carrier(ACCOUNT, reach, rest_port=0, speak=speak_tone) as twilio,
            AsyncOpenAI(api_key="sk-test", base_url=model.base_url, max_retries=0) as client,
        ):
            twilio.reachable.connector_url, twilio.project = model.url, PROJECT
            gateway = SipGateway(url, webhook, client, twilio, model)
            yield gateway
