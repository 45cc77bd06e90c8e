"""The composition root: settings in, ASGI application out. The only file that knows every room."""

from __future__ import annotations

import hmac
import os
import secrets as secrets_
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from time import monotonic, time

import msgspec
import structlog
from starlette.exceptions import HTTPException

from gateway import limits
from gateway.agents.config.agent import DEFAULT_MODEL, Agent
from gateway.agents.routing import AgentBook
from gateway.bridge.bridge_limits import BridgeLimits
from gateway.bridge.calls.browser_carrier import BrowserCarrier
from gateway.bridge.calls.carriers import Carriers
from gateway.bridge.calls.hangup_retry import hang_up_with_retries
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.model_connector import ModelConnector
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.session_configs import SessionConfigs
from gateway.bridge.calls.sip_carrier import SipCarrier
from gateway.bridge.calls.start_pacer import StartPacer
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.calls.twilio_carrier import TwilioCarrier
from gateway.bridge.event_dispatch import CallEvents
from gateway.bridge.failover.model_probe import watch_model
from gateway.bridge.failover.sip_leases import SipLeases
from gateway.bridge.failover.sip_takeover import SipTakeover
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.bridge.inbound.browser_calls import BrowserCalls
from gateway.bridge.inbound.sip_inbound import SipInbound
from gateway.bridge.inbound.stream_admission import StreamAdmission
from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.bridge.messaging.pictures import Pictures
from gateway.bridge.messaging.text_tools import TextTools
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.bridge.outbound.warm_transfer import WarmTransfers
from gateway.bridge.spend_limits import SpendLimits
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.call.snapshot import CallSnapshot
from gateway.imaging.image_processor import image_processor
from gateway.ops.billing.bills import Bill, Bills
from gateway.ops.limits.admission import Admission, RateWatch, shed_reason
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.limits.signed_tokens import DialTokens, OutboundTokens, PhoneTokens, StreamTokens
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.ops.records.archive import RecordArchive
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.store import RecordStore
from gateway.ops.startup_checks import (
    agents_of,
    prices_for,
    require_operators,
    require_sip,
    require_store,
    templates_of,
)
from gateway.ops.store.encryption import Encryptor
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore
from gateway.ops.store.shared import Remote, Store
from gateway.ops.telemetry.certificate import watch_certificate
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.loop_lag import watch_loop
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.openai_webhooks import IncomingCall
from gateway.settings import Settings
from gateway.tools.toolbox import Toolbox
from gateway.transports.openai_calls import OpenAICalls
from gateway.transports.twilio_media import TwilioMedia
from gateway.transports.twilio_rest import TwilioRest
from gateway.web.api.auth import OperatorAuth
from gateway.web.api.calls import CallsEndpoints
from gateway.web.browser.console import console_routes
from gateway.web.browser.phone import PhoneEndpoints
from gateway.web.browser.photo import PhotoEndpoint
from gateway.web.health import HealthEndpoints
from gateway.web.http import problems
from gateway.web.http.asgi import GatewayApp
from gateway.web.openai.webhook import OpenAISignature, OpenAIWebhookEndpoint
from gateway.web.routes import (
    OPENAI_WEBHOOK,
    api_routes,
    health_routes,
    openai_routes,
    photo_routes,
    twilio_routes,
)
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.failover import Failover, refer_key
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.incoming import IncomingCalls
from gateway.web.twilio.legs import DRAIN, SIP
from gateway.web.twilio.media_stream import MediaEndpoint
from gateway.web.twilio.messages import MessageEndpoint
from gateway.web.twilio.signature import TwilioSignature
from gateway.web.twilio.status import StatusEndpoints
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.twiml_documents import TwimlDocuments
from gateway.web.twilio.voice import VoiceEndpoints
from gateway.web.twilio.webhook import VerifiedWebhooks

log = structlog.get_logger()

_Headers = Callable[[CallInfo], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, and what the server around it must reach."""

    asgi: GatewayApp
    registry: CallRegistry
    metrics: Metrics
    event_stream: EventStream
    announce: Callable[[], None]
    """Says that calls can come, when they can."""


def build(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    bridge_limits: BridgeLimits = BridgeLimits(),  # noqa: B008 - frozen
) -> Gateway:
    """Reads and checks every file before a port opens.

    Raises AgentFileError, TemplateError, SettingsError.
    """
    book = agents_of(settings)
    require_sip(book, settings)
    require_store(settings)
    require_operators(book, settings)
    environ = os.environ if environ is None else environ
    secrets = [token.get_secret_value() for token in settings.twilio_auth_token]
    added, tasks = AddedLatency(), Tasks()
    metrics = Metrics(added)
    remote = _remote(settings, metrics)
    store = Store(MemoryStore(monotonic), remote, tasks.start)
    states = Store(MemoryStore(monotonic, limits.store.STATES_MAX), remote, tasks.start)
    per_caller = settings.max_calls_per_caller
    process = secrets_.token_hex(4)
    admission = Admission(per_caller, remote)
    breaker = CircuitBreaker(monotonic, partial(_tell_breaker, metrics))
    rates = RateWatch(monotonic)
    shed = partial(shed_reason, breaker, rates)
    bills = _spending(settings, book, metrics)
    toolbox = Toolbox(book, environ)
    registry = CallRegistry(
        book,
        SessionConfigs(book, toolbox),
        settings.max_calls,
        store,
        lambda: bills.spent_out,
        settings.simulated_time.timestamp() - time() if settings.simulated_time else 0.0,
        sip_calls_max=bridge_limits.sip_calls_max,
    )
    spend_watch = SpendLimits(bills, lambda: registry.calls, store, metrics.share_reached, remote)
    metrics.budget.set_function(lambda: bills.share_of_budget)
    metrics.expect(book.agents.values())
    metrics.capacity.labels("media-streams").set(settings.max_calls)
    metrics.capacity.labels("sip").set(bridge_limits.sip_calls_max if settings.sip_uri else 0)
    metrics.watch(lambda: [call.machine for call in registry.calls])
    event_stream = EventStream(metrics.feed_dropped.inc)
    records = _records(settings, event_stream, metrics)
    out_tokens = OutboundTokens(secrets, store, time)
    outbound = OutboundCalls(
        settings.public_url, settings.dial_countries, registry, admission,
        TokenBucket(limits.outbound.DIALS_BURST, limits.outbound.DIALS_PER_S),
        out_tokens, store, records, metrics, tasks,
        shed,
    )  # fmt: skip
    warm = WarmTransfers(settings.public_url, store, metrics, tasks)

    def announced(call: LiveCall) -> None:
        records.open(call.facts, call.machine.agent.model, call.machine.agent.record)
        if call.facts.direction == "outbound":
            outbound.watch(call)

    registry.announced = announced
    snapshots = SnapshotStore(states, lambda: [c for c in registry.calls if c.facts.has_carrier])
    dial_tokens = DialTokens(secrets, store, time)
    stream_tokens = StreamTokens(secrets, store, time)
    documents = TwimlDocuments(templates_of(settings))
    signature = TwilioSignature(settings.public_url, settings.media_url, secrets)
    transfers = TransferWebhooks(settings.public_url, documents, warm)
    stream_leg = MediaStreamLeg(
        settings.public_url, settings.media_url, documents, registry, admission, snapshots,
        stream_tokens,
    )  # fmt: skip
    sip_leg = SipLeg(settings.public_url, settings.sip_uri, documents, registry, dial_tokens)
    steps = FallbackSteps(settings.public_url, documents, metrics.fallbacks)
    incoming = IncomingCalls(
        settings.overflow, shed, registry, stream_leg, sip_leg, steps, documents, metrics
    )
    failover = Failover(
        registry, store, snapshots, stream_leg, sip_leg, steps, documents, transfers, metrics
    )
    voice = VoiceEndpoints(
        registry, store, snapshots, out_tokens, documents, incoming, failover, transfers
    )
    stream_admission = StreamAdmission(
        settings.twilio_account_sid, registry, stream_tokens, snapshots
    )
    start_pacer = StartPacer()
    calls = OpenAICalls(settings.openai_base_url, settings.openai_api_key.get_secret_value())
    sip_inbound = SipInbound(
        registry,
        calls,
        dial_tokens,
        admission,
        rates=rates,
        allow_rtp=settings.sip_allow_rtp,
        accept_max_s=bridge_limits.sip_accept_max_s,
        decide_max_s=bridge_limits.sip_decide_max_s,
        counted=lambda decision: metrics.sip_decisions.labels(decision).inc(),
    )
    images = image_processor(
        lambda reason: metrics.image_workers_ended.labels(reason).inc(),
        metrics.image_uploads_refused.inc,
    )
    media = TwilioMedia(settings.twilio_base_url, settings.twilio_account_sid, secrets[0])
    photos = Pictures(
        registry, store, media, images, tasks,
        lambda source, outcome: metrics.images.labels(source, outcome).inc(),
    )  # fmt: skip
    links = PictureLinks(store, registry, photos.mailbox, settings.public_url)

    def adopt(state: CallSnapshot) -> None:
        sip_inbound.adopt(state)
        metrics.resumes.labels("adopted").inc()

    def hang_up(call_id: str) -> None:
        tasks.start(hang_up_with_retries(calls, call_id), f"hang up {call_id}", last=True)

    sip_leases = SipLeases(process, remote, snapshots, lease_s=bridge_limits.sip_lease_s)
    sip_takeover = SipTakeover(
        sip_leases, snapshots, registry, adopt, hang_up, look_s=bridge_limits.sip_look_s
    )

    @asynccontextmanager
    async def lifespan(_app: GatewayApp) -> AsyncIterator[None]:
        rest = TwilioRest(settings.twilio_base_url, settings.twilio_account_sid, secrets[0])
        call_events = CallEvents(
            metrics, registry, snapshots, admission, breaker, rates, tasks, spend_watch, records,
            sip_leases,
        )  # fmt: skip
        outbound.rest = warm.rest = rest
        after_url = f"{settings.public_url}/twilio/after?leg="

        def referred(call_sid: str, to: TransferCaller) -> None:
            told = msgspec.json.encode(to).decode()
            store.remember(refer_key(call_sid), told, limits.store.ENDINGS_KEPT_S)

        registry.employ(
            CallServices(
                model=ModelConnector(
                    settings.realtime_url,
                    _model_headers(settings),
                    start_pacer,
                    try_max_s=bridge_limits.model_try_max_s,
                    sideband_pause_max_s=bridge_limits.sideband_pause_max_s,
                ),
                carriers=Carriers(
                    TwilioCarrier(
                        rest,
                        transfers.document,
                        snapshots.save,
                        after_url + DRAIN,
                        hangup_confirm_max_s=bridge_limits.hangup_confirm_max_s,
                    ),
                    SipCarrier(
                        calls,
                        rest,
                        referred,
                        sip_leases.release,
                        after_url + SIP,
                        hangup_first_pause_s=bridge_limits.sip_hangup_first_pause_s,
                    ),
                    BrowserCarrier(),
                ),
                toolbox=toolbox,
                tasks=tasks,
                publish=call_events.publish,
                added=added,
                open_bill=_open_bill,
            )
        )
        toolbox.employ(TextTools(rest, links, registry.call).errands)
        tasks.start(watch_loop(metrics.lag.observe), "event loop lag")
        tasks.start(snapshots.run(), "state of calls")
        tasks.start(admission.run(), "leases")
        tasks.start(sip_takeover.run(), "SIP calls without a process")
        if remote is not None:
            tasks.start(photos.mailbox.run(), "letters of other processes")
        model_url = f"{settings.realtime_url}?model={_any_model(book)}"
        tasks.start(watch_model(breaker, model_url, _bearer(settings)), "circuit breaker")
        tasks.start(watch_certificate(settings.public_url, metrics.certificate.set), "certificate")
        tasks.start(spend_watch.watch_minutes(), "the carrier's minutes")
        tasks.start(records.recall(), "recall records")
        for link in toolbox.mcp.links:
            metrics.mcp_up.labels(link.label).set(0)
            link.told = lambda label, up: metrics.mcp_up.labels(label).set(up)
            tasks.start(link.run(), f"MCP {link.label}")
        await toolbox.mcp.tried(limits.mcp.START_MAX_S)
        yield
        await records.close()
        start_pacer.close()
        await tasks.stop()
        await rest.close()
        await media.close()
        await images.close()
        await calls.close()
        if remote is not None:
            await remote.redis.close()
        await toolbox.close()

    endpoint = _openai_door(settings, store, sip_inbound, start_pacer, tasks, metrics)
    endpoints = [
        *openai_routes(endpoint),
        *twilio_routes(
            VerifiedWebhooks(signature, metrics.webhooks),
            voice,
            transfers,
            StatusEndpoints(registry, outbound, warm, metrics),
            MediaEndpoint(signature, stream_admission, metrics.streams_refused),
            MessageEndpoint(book, store, photos, documents),
        ),
        *health_routes(
            HealthEndpoints(registry, metrics, settings.overflow, shared_store=store.shared)
        ),
        *photo_routes(PhotoEndpoint(links, photos)),
    ]
    if settings.admin_token is not None:
        browser_calls = BrowserCalls(registry, admission, shed, lambda: bills.share_of_budget)
        phone = PhoneEndpoints(
            settings.public_url, PhoneTokens(secrets, time), browser_calls, metrics
        )
        admin = CallsEndpoints(registry, records, event_stream, images, outbound, phone.link)
        endpoints += [*console_routes(), *phone.routes()]
        endpoints += api_routes(
            admin,
            OperatorAuth(settings.admin_token.get_secret_value(), metrics.admin_tokens_refused),
        )
    asgi = GatewayApp(
        {} if endpoint is None else {OPENAI_WEBHOOK: endpoint.webhook},
        routes=endpoints,
        lifespan=lifespan,
        exception_handlers={HTTPException: problems.answer},
    )
    return Gateway(asgi, registry, metrics, event_stream, partial(_announce, settings, book))


def _openai_door(
    settings: Settings,
    store: Store,
    sip_inbound: SipInbound,
    start_pacer: StartPacer,
    tasks: Tasks,
    metrics: Metrics,
) -> OpenAIWebhookEndpoint | None:
    if not settings.openai_webhook_secret:
        return None

    def take(call: IncomingCall) -> None:
        def decide() -> None:
            tasks.start(sip_inbound.take(call), f"incoming {call.call_id}")

        start_pacer.let_through(decide, limits.sip.CROWD_S)

    return OpenAIWebhookEndpoint(
        OpenAISignature([secret.get_secret_value() for secret in settings.openai_webhook_secret]),
        store,
        take,
        lambda result: metrics.webhooks.labels("openai", result).inc(),
    )


def _remote(settings: Settings, metrics: Metrics) -> Remote | None:
    url = settings.store.get_secret_value()
    if url == "memory://":
        return None
    keys = [key.get_secret_value() for key in settings.store_key]
    if not keys:
        log.warning("GATEWAY_STORE_KEY is not set: what is said in calls is not sealed in Redis")
    return Remote(RedisStore(url, Encryptor(keys)), on_failure=metrics.store_errors.inc)


def _spending(settings: Settings, book: AgentBook, metrics: Metrics) -> Bills:
    budget = None if settings.budget_usd is None else Decimal(str(settings.budget_usd))
    return Bills(prices_for(book, settings), metrics, monotonic, time, budget)


def _open_bill(facts: CallInfo, agent: Agent) -> Bill:
    limit = None if agent.spend_usd is None else Decimal(str(agent.spend_usd))
    return Bill(agent.name, facts.path, facts.direction, limit)


def _records(settings: Settings, event_stream: EventStream, metrics: Metrics) -> RecordStore:
    archive = RecordArchive(
        settings.data_dir / "calls", lambda reason: metrics.records_lost.labels(reason).inc()
    )
    return RecordStore(event_stream, archive, monotonic, time)


def _tell_breaker(metrics: Metrics, is_open: bool, reason: str) -> None:
    metrics.breaker_open.set(is_open)
    if is_open:
        told = "the model fails for one call after another; new ones are kept from it"
        log.error(told, reason=reason or "the last `ended` lines have it")
    else:
        log.info("the model is back; calls reach it again")


def _any_model(book: AgentBook) -> str:
    return next((agent.model for agent in book.agents.values()), DEFAULT_MODEL)


def _bearer(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.openai_api_key.get_secret_value()}"}


def _model_headers(settings: Settings) -> _Headers:
    """The safety identifier is the caller's number behind a keyed hash: stable, and not his."""
    key = settings.openai_api_key.get_secret_value()

    def headers(facts: CallInfo) -> dict[str, str]:
        found = {"Authorization": f"Bearer {key}"}
        if facts.caller:
            caller = facts.caller.encode("utf-8", "replace")
            digest = hmac.digest(key.encode(), caller, "sha256").hex()
            found["OpenAI-Safety-Identifier"] = digest[:32]
        return found

    return headers


def _announce(settings: Settings, book: AgentBook) -> None:
    for warning in book.warnings:
        log.warning(warning)
    log.info(
        "ready for calls",
        public_url=settings.public_url,
        agents=sorted(book.agents),
        max_calls=settings.max_calls,
        simulated=settings.simulated,
    )
