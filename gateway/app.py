"""The composition root: settings in, ASGI application out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from starlette.exceptions import HTTPException

from gateway.agents.config.models import DEFAULT_MODEL
from gateway.agents.routing import AgentBook
from gateway.bridge.calls.agents_in_use import AgentsInUse
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.event_dispatch import CallEvents
from gateway.bridge.failover.model_probe import watch_model
from gateway.bridge.failover.sip_takeover import SipTakeover
from gateway.ops.records.event_stream import EventStream
from gateway.ops.startup_checks import checked_agents, require_store
from gateway.ops.telemetry.certificate import watch_certificate
from gateway.ops.telemetry.loop_lag import watch_loop
from gateway.ops.telemetry.metrics import Metrics
from gateway.settings import Settings
from gateway.transports.openai_headers import bearer
from gateway.tuning import DEFAULT_TUNING, Tuning
from gateway.web.browser.photo import PhotoEndpoint
from gateway.web.health import HealthEndpoints
from gateway.web.http import problems
from gateway.web.http.asgi import GatewayApp
from gateway.web.routes import OPENAI_WEBHOOK, health_routes, openai_routes, photo_routes
from gateway.wiring.agents_file import agents_file
from gateway.wiring.capacity import Capacity, capacity
from gateway.wiring.endpoints import openai_endpoint, operator_endpoints, twilio_endpoints
from gateway.wiring.messaging import Messaging, messaging
from gateway.wiring.operators import Operators, operators
from gateway.wiring.recordings import Recordings, recordings
from gateway.wiring.records import Records, read_tokens, records
from gateway.wiring.resources import Resources, resources
from gateway.wiring.subscribers import subscribe
from gateway.wiring.telephony import (
    Telephony,
    before_calls,
    outbound_calls,
    sip_inbound,
    sip_takeover,
    telephony,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, and what the server around it uses."""

    asgi: GatewayApp
    registry: CallRegistry
    events: CallEvents
    capacity: Capacity
    metrics: Metrics
    event_stream: EventStream
    recordings: Recordings
    announce: Callable[[], None]
    """Logs that calls can come; called once the port is open."""
    reload: Callable[[], object]
    """Begins to read the agents file again; what comes of it is logged."""
    loaded: Callable[[], bool]
    """Whether what is loaded after the start is there: the database."""


def build(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    tuning: Tuning = DEFAULT_TUNING,
) -> Gateway:
    """Read and check every file, and construct the gateway before a port opens.

    Raises AgentFileError, TemplateError, PriceFileError, SettingsError.
    """
    book = checked_agents(settings)
    require_store(settings)

    r = resources(settings, book, tuning)
    bounds = capacity(r)
    kept = records(r)
    texts = messaging(r, kept.caller_index)
    environ = os.environ if environ is None else environ
    agents = agents_file(r, bounds, texts, environ, partial(read_tokens, kept, environ))
    calls = telephony(r, bounds, agents.in_use)
    outbound = outbound_calls(r, bounds, calls, kept)
    before = before_calls(calls, kept)
    inbound = sip_inbound(r, bounds, calls, before)
    takeover = sip_takeover(r, calls, inbound)
    recorded = recordings(r, kept)
    acting = operators(r, calls, kept, outbound)
    subscribe(r, bounds, calls, kept, outbound, recorded)

    openai = openai_endpoint(r, calls, inbound)
    health = HealthEndpoints(
        calls.registry, r.metrics, settings.overflow, shared_store=r.store.shared
    )
    routes = [
        # Routes are searched in order: those with the most requests come first.
        *openai_routes(openai),
        *twilio_endpoints(r, bounds, calls, texts, outbound, before, kept, recorded),
        *health_routes(health),
        *photo_routes(PhotoEndpoint(texts.links, texts.pictures, r.tuning.photo_clock)),
        *operator_endpoints(
            r, bounds, calls, kept, texts, outbound, agents.reload, recorded, acting
        ),
    ]
    asgi = GatewayApp(
        {} if openai is None else {OPENAI_WEBHOOK: openai.webhook},
        routes=routes,
        lifespan=partial(
            _lifespan, r, bounds, kept, texts, agents.in_use, calls, takeover, recorded, acting
        ),
        exception_handlers={HTTPException: problems.answer},
    )
    announce = partial(_announce, settings, book)
    return Gateway(
        asgi,
        calls.registry,
        calls.events,
        bounds,
        r.metrics,
        kept.event_stream,
        recorded,
        announce,
        lambda: r.tasks.start(agents.reload.on_signal(), "reload-agents"),
        lambda: kept.database.tried,
    )


@asynccontextmanager
async def _lifespan(
    r: Resources,
    bounds: Capacity,
    kept: Records,
    texts: Messaging,
    agents: AgentsInUse,
    calls: Telephony,
    takeover: SipTakeover,
    recorded: Recordings,
    acting: Operators,
    _app: GatewayApp,
) -> AsyncIterator[None]:
    """Run the background tasks; at the end close everything in the reverse order."""
    settings, start = r.settings, r.tasks.start
    async with r:
        start(watch_loop(r.metrics.on_loop_lag), "event-loop-lag")
        start(calls.snapshots.run(), "snapshots")
        start(bounds.admission.run(), "admission-leases")
        start(takeover.run(), "sip-takeover")
        if r.remote is not None:
            start(texts.pictures.mailbox.run(), "process-mailbox")
            start(acting.remote.run(), "operators-mailbox")

        def model_url() -> str:
            return f"{settings.realtime_url}?model={_any_model(agents.current.book)}"

        key = settings.openai_api_key.get_secret_value()
        start(watch_model(bounds.breaker, model_url, bearer(key)), "model-probe")
        start(watch_certificate(settings.public_url, r.metrics.certificate.set), "certificate")
        start(bounds.spend.watch_minutes(), "carrier-minutes")
        kept.start(r)
        start(recorded.recorder.run(), "recorder")
        start(recorded.uploader.run(), "recordings")
        start(recorded.carrier.run(), "carrier-recordings")
        start(recorded.retention.run(), "retention")
        agents.current.connect(r.tasks)
        await agents.current.connected()
        yield
        await recorded.close()
        kept.store.close()
        calls.start_pacer.close()
        await r.tasks.stop()
        for version in agents.versions:
            await version.close()
        await kept.close()


def _any_model(book: AgentBook) -> str:
    return next((agent.model for agent in book.agents.values()), DEFAULT_MODEL)


def _announce(settings: Settings, book: AgentBook) -> None:
    for warning in book.warnings:
        log.warning("agents_file_warning", warning=warning)
    log.info(
        "ready_for_calls",
        public_url=settings.public_url,
        agents=sorted(book.agents),
        max_calls=settings.max_calls,
        simulated=settings.simulated,
    )
