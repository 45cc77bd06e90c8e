"""Liveness, readiness for new calls, and the metrics that Prometheus scrapes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Final

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.bridge.calls.registry import CallRegistry
from gateway.limits.web import SCRAPE_SAMPLES_MAX, SCRAPE_TURN_S
from gateway.ops.telemetry.metrics import Metrics

LANDING: Final = (
    "A gateway between telephone calls and OpenAI's Realtime API.\n\n"
    "Twilio's voice webhook   /twilio/voice\n"
    "Operators' console       /console (404 while no operator has a token in the settings)\n"
    "Alive, takes new calls   /healthz, /readyz\n"
    "Prometheus               /metrics\n"
)
_OPENMETRICS_END: Final = b"# EOF\n"
_HEAD: Final = re.compile(rb"\A(?:#[^\n]*\n)*")


class HealthEndpoints:
    """`overflow` and `shared_store` decide what a full process can still offer."""

    def __init__(
        self, registry: CallRegistry, metrics: Metrics, overflow: str, *, shared_store: bool
    ) -> None:
        self._registry, self._metrics = registry, metrics
        self._overflow, self._shared_store = overflow, shared_store

    async def landing(self, _request: Request) -> Response:
        """Say what this is to whoever opens the address in a browser."""
        return PlainTextResponse(LANDING)

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """503 while draining or full; `calls` says how many are running or expected.

        A used-up budget leaves it ready: callers get an answer, and running calls go on.
        """
        reason = self._registry.refusal()
        body = {"status": reason or "ready", "calls": self._registry.active}
        ready = reason in (None, "budget") or (reason == "full" and self._has_overflow)
        return JSONResponse(body, 200 if ready else 503)

    @property
    def _has_overflow(self) -> bool:
        """Whether callers beyond the last slot get something from this process.

        With a shared store another process may have a slot for the agent, before a person is
        called.
        """
        if self._overflow == "sip":
            return self._registry.refusal("sip") != "full"
        return self._overflow == "human" and not self._shared_store

    async def metrics(self, request: Request) -> Response:
        self._metrics.tasks.set(len(asyncio.all_tasks()))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        parts, began = [], monotonic()
        for family in self._metrics.registry.collect():
            for part in written_in_parts(family, encode):
                parts.append(part)
                if monotonic() - began > SCRAPE_TURN_S:
                    # All at once would hold up the sound of every call for some milliseconds.
                    await asyncio.sleep(0)
                    began = monotonic()
        if "openmetrics" in content_type:
            parts.append(_OPENMETRICS_END)
        return Response(b"".join(parts), headers={"content-type": content_type})


def written_in_parts(family: Metric, encode: Callable[[Any], bytes]) -> Iterator[bytes]:
    """Yield the text of one metric, a part for each `SCRAPE_SAMPLES_MAX` samples.

    A histogram of a hundred agents has thousands of samples.
    """
    samples = family.samples
    for at in range(0, max(len(samples), 1), SCRAPE_SAMPLES_MAX):
        part = Metric(family.name, family.documentation, family.type, family.unit)
        part.samples = samples[at : at + SCRAPE_SAMPLES_MAX]
        text = encode(_OneFamily(part)).removesuffix(_OPENMETRICS_END)
        # Help and type stand once. Line breaks in labels are escaped: no sample begins so.
        yield text if at == 0 else _HEAD.sub(b"", text)


class _OneFamily(Collector):
    """One metric with all its labels, to be written out by itself."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)
