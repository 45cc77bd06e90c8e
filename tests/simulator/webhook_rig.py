"""Webhook endpoint for tests, which reads deliveries with the vendor's own package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai import InvalidWebhookSignatureError, OpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.simulator.twilio.rest_api import listening

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PROJECT = "proj_test"
VENDOR = OpenAI(api_key="sk-test", webhook_secret=SECRET)


@dataclass
class WebhookRig:
    """What arrived and verified, and what did not; `statuses` are the answers, then 200."""

    url: str = ""
    events: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    ids: list[str] = field(default_factory=list)
    user_agents: list[str] = field(default_factory=list)
    refused: int = 0
    statuses: list[int] = field(default_factory=list)

    def reset(self) -> None:
        self.events = asyncio.Queue()
        self.ids.clear()
        self.user_agents.clear()
        self.statuses.clear()
        self.refused = 0

    async def take(self, request: Request) -> Response:
        body = await request.body()
        try:
            event = VENDOR.webhooks.unwrap(body, request.headers)
        except (InvalidWebhookSignatureError, ValueError):
            self.refused += 1
            return Response(status_code=400)
        self.ids.append(request.headers["webhook-id"])
        self.user_agents.append(request.headers["user-agent"])
        if self.statuses:
            return Response(status_code=self.statuses.pop(0))
        self.events.put_nowait(event)
        return Response(status_code=200)

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            return await self.events.get()


@asynccontextmanager
async def webhook_rig() -> AsyncIterator[WebhookRig]:
    rig = WebhookRig()
    app = Starlette(routes=[Route("/openai/webhook", rig.take, methods=["POST"])])
    async with listening(app, 0) as url:
        rig.url = url + "/openai/webhook"
        yield rig
