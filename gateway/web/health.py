"""Alive; ready for new calls; and what Prometheus reads."""

from __future__ import annotations

import asyncio

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.web.twilio.context import TwilioContext


class HealthEndpoints:
    def __init__(self, desk: TwilioContext) -> None:
        self._desk = desk

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """503 while draining or full; `calls` says how many are running or expected.

        A budget that is used up leaves it ready: callers must be told, and running calls go on.
        """
        registry = self._desk.registry
        reason = registry.refusal()
        body = {"status": reason or "ready", "calls": registry.active}
        ready = reason in (None, "budget") or (reason == "full" and self._has_something_else)
        return JSONResponse(body, 200 if ready else 503)

    @property
    def _has_something_else(self) -> bool:
        """For callers beyond the last place, who must ask here to be given it.

        People are rung where no other process could have a place for the agent.
        """
        desk = self._desk
        if desk.overflow == "sip":
            return desk.registry.refusal("sip") != "full"
        return desk.overflow == "human" and not desk.store.shared

    async def metrics(self, request: Request) -> Response:
        self._desk.metrics.tasks.set(len(asyncio.all_tasks()))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(self._desk.metrics.registry)
        return Response(body, headers={"content-type": content_type})
