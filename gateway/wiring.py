"""Construction of the gateway by area: clients and stores first, then objects from the bottom up.

Every constructor is complete: nothing is added to an object after it was made. What would be a
circle goes through `CallTable`, which has the running calls, and `CallEvents`, to which parts that
follow calls subscribe.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from time import monotonic, time
from types import TracebackType
from typing import Self

import msgspec
import structlog
from starlette.routing import BaseRoute

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook
from gateway.bridge.admission_guard import AdmissionGuard
from gateway.bridge.calls.browser_carrier import BrowserCarrier
from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.carriers import Carriers
from gateway.bridge.calls.hangup_retry import hang_up_with_retries
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.model_connector import ModelConnector
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.session_configs import SessionConfigs
from gateway.bridge.calls.sip_carrier import SipCarrier
from gateway.bridge.calls.start_pacer import StartPacer
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.calls.twilio_carrier import TwilioCarrier
from gateway.bridge.event_dispatch import CallEvents
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
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.call.snapshot import CallSnapshot
from gateway.imaging.image_processor import ImageProcessor, image_processor
from gateway.ops.billing.bills import COSTS, Bill, Bills
from gateway.ops.limits.admission import Admission, RateWatch, shed_reason
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.limits.signed_tokens import DialTokens, OutboundTokens, PhoneTokens, StreamTokens
from gateway.ops.limits.text_limits import TextLimits
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.ops.records.archive import RecordArchive
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.store import RecordStore
from gateway.ops.startup_checks import prices_for, templates_of
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Remote, Store
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.logs import CallLog
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.openai_webhooks import IncomingCall
from gateway.settings import Settings
from gateway.tools.toolbox import Toolbox
from gateway.transports.connection_limits import descriptors_left
from gateway.transports.openai_calls import OpenAICalls
from gateway.transports.openai_headers import model_headers
from gateway.transports.twilio_media import TwilioMedia
from gateway.transports.twilio_rest import TwilioRest
from gateway.tuning import Tuning
from gateway.web.api.auth import OperatorAuth
from gateway.web.api.calls import CallsEndpoints
from gateway.web.browser.console import console_routes
from gateway.web.browser.phone import PhoneEndpoints
from gateway.web.openai.webhook import OpenAISignature, OpenAIWebhookEndpoint
from gateway.web.routes import api_routes, twilio_routes
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.failover import Failover, refer_key
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.incoming import IncomingCalls
from gateway.web.twilio.legs import DRAIN, SIP, after_url
from gateway.web.twilio.media_stream import MediaEndpoint
from gateway.web.twilio.messages import MessageEndpoint
from gateway.web.twilio.signature import TwilioSignature
from gateway.web.twilio.status import StatusEndpoints
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.twiml_documents import TwimlDocuments
from gateway.web.twilio.voice import VoiceEndpoints
from gateway.web.twilio.webhook import VerifiedWebhooks

log = structlog.get_logger()


# --- Clients and stores ---


@dataclass(frozen=True, slots=True)
class Resources:
    """Parts that everything else is built on; closed, in `async with`, when the process ends.

    Clients connect when they are first used, so that a gateway can be built without a loop.
    """

    settings: Settings
    tuning: Tuning
    book: AgentBook
    auth_tokens: list[str]
    table: CallTable
    tasks: Tasks
    added: AddedLatency
    metrics: Metrics
    remote: Remote | None
    store: Store
    states: Store
    rest: TwilioRest
    media: TwilioMedia
    openai: OpenAICalls
    images: ImageProcessor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async with AsyncExitStack() as stack:
            if self.remote is not None:
                stack.push_async_callback(self.remote.redis.close)
            for client in (self.images, self.openai, self.media, self.rest):
                stack.push_async_callback(client.close)


def resources(settings: Settings, book: AgentBook, tuning: Tuning) -> Resources:
    """Return clients and stores that these settings name."""
    table, tasks, added = CallTable(), Tasks(), AddedLatency()
    metrics = Metrics(added, lambda: [call.machine for call in table.calls])
    remote = _remote(settings, metrics)
    account = settings.twilio_account_sid
    auth_tokens = [token.get_secret_value() for token in settings.twilio_auth_token]
    return Resources(
        settings,
        tuning,
        book,
        auth_tokens,
        table,
        tasks,
        added,
        metrics,
        remote,
        Store(MemoryStore(monotonic), remote, tasks.start),
        Store(MemoryStore(monotonic, limits.store.STATES_MAX), remote, tasks.start),
        TwilioRest(settings.twilio_base_url, account, auth_tokens[0]),
        TwilioMedia(settings.twilio_base_url, account, auth_tokens[0]),
        OpenAICalls(settings.openai_base_url, settings.openai_api_key.get_secret_value()),
        image_processor(
            lambda reason: metrics.image_workers_ended.labels(reason).inc(),
            metrics.image_uploads_refused.inc,
        ),
    )


def _remote(settings: Settings, metrics: Metrics) -> Remote | None:
    url = settings.store.get_secret_value()
    if url == "memory://":
        return None
    # The client of Redis and the cipher take 13 MB, which a process of its own can do without.
    from gateway.ops.store.encryption import Encryptor  # noqa: PLC0415
    from gateway.ops.store.redis import RedisStore  # noqa: PLC0415

    keys = [key.get_secret_value() for key in settings.store_key]
    if not keys:
        log.warning("store_not_encrypted", hint="set GATEWAY_STORE_KEY: calls' words are in Redis")
    return Remote(RedisStore(url, Encryptor(keys)), on_failure=metrics.store_errors.inc)


# --- What admits and counts calls ---


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds on new calls: slots, budget, and what the model can take."""

    admission: Admission
    breaker: CircuitBreaker
    rates: RateWatch
    bills: Bills
    spend: SpendLimits

    def shed(self) -> str | None:
        """Return why no further call is connected to the model, or None."""
        return shed_reason(self.breaker, self.rates)


def capacity(r: Resources) -> Capacity:
    settings, metrics = r.settings, r.metrics
    budget = None if settings.budget_usd is None else Decimal(str(settings.budget_usd))
    bills = Bills(prices_for(r.book, settings), metrics, monotonic, time, budget)
    metrics.budget.set_function(lambda: bills.share_of_budget)
    metrics.descriptors_left.set_function(descriptors_left)
    metrics.expect(r.book.agents.values())
    metrics.capacity.labels("media-streams").set(settings.max_calls)
    metrics.capacity.labels("sip").set(r.tuning.sip_calls_max if settings.sip_uri else 0)
    return Capacity(
        Admission(settings.max_calls_per_caller, r.remote),
        CircuitBreaker(
            monotonic,
            partial(_breaker_changed, metrics),
            failures_max=r.tuning.breaker_failures_max,
        ),
        RateWatch(monotonic),
        bills,
        SpendLimits(bills, lambda: r.table.calls, r.store, metrics.share_reached, r.remote),
    )


def _breaker_changed(metrics: Metrics, is_open: bool, reason: str) -> None:
    metrics.breaker_open.set(is_open)
    if is_open:
        log.error("breaker_opened", reason=reason or "see the last `ended` lines")
    else:
        log.info("breaker_closed")


def open_bill(facts: CallInfo, agent: Agent) -> Bill:
    limit = None if agent.spend_usd is None else Decimal(str(agent.spend_usd))
    return Bill(agent.name, facts.path, facts.direction, limit)


@dataclass(frozen=True, slots=True)
class Records:
    event_stream: EventStream
    store: RecordStore


def records(r: Resources) -> Records:
    """Return the records of calls, and the stream of their changes."""
    event_stream = EventStream(r.metrics.feed_dropped.inc)
    archive = RecordArchive(
        r.settings.data_dir / "calls", lambda reason: r.metrics.records_lost.labels(reason).inc()
    )
    return Records(event_stream, RecordStore(event_stream, archive, monotonic, time))


# --- Pictures, texts, tools ---


@dataclass(frozen=True, slots=True)
class Messaging:
    pictures: Pictures
    links: PictureLinks


def messaging(r: Resources) -> Messaging:
    pictures = Pictures(
        r.table,
        r.store,
        r.media,
        r.images,
        r.tasks,
        lambda source, outcome: r.metrics.images.labels(source, outcome).inc(),
    )
    links = PictureLinks(r.store, r.table, pictures.mailbox, r.settings.public_url)
    return Messaging(pictures, links)


def toolbox(r: Resources, texts: Messaging, environ: Mapping[str, str]) -> Toolbox:
    """Return every agent's tools. Raises SettingsError."""
    errands = TextTools(
        r.rest,
        texts.links,
        TextLimits(r.store, r.settings.text_countries, time),
        r.table.call,
        lambda outcome: r.metrics.texts.labels(outcome).inc(),
    ).errands

    def on_mcp_status(label: str, up: bool) -> None:
        r.metrics.mcp_up.labels(label).set(up)

    def on_mcp_left_out(label: str, count: int) -> None:
        r.metrics.mcp_left_out.labels(label).inc(count)

    tools = Toolbox(r.book, environ, errands, on_mcp_status, on_mcp_left_out)
    for link in tools.mcp.links:
        on_mcp_status(link.label, False)
    return tools


# --- Calls ---


@dataclass(frozen=True, slots=True)
class Telephony:
    """Running calls, and everything that brings one about or goes on with it."""

    registry: CallRegistry
    events: CallEvents
    snapshots: SnapshotStore
    leases: SipLeases
    start_pacer: StartPacer
    documents: TwimlDocuments
    warm: WarmTransfers
    transfers: TransferWebhooks
    dial_tokens: DialTokens


def telephony(r: Resources, bounds: Capacity, tools: Toolbox) -> Telephony:
    public_url = r.settings.public_url
    call_events, start_pacer = CallEvents(), StartPacer()
    snapshots = SnapshotStore(r.states, lambda: r.table.with_carrier)
    leases = SipLeases(secrets.token_hex(4), r.remote, snapshots, lease_s=r.tuning.sip_lease_s)
    documents = TwimlDocuments(templates_of(r.settings))
    warm = WarmTransfers(public_url, r.store, r.metrics, r.tasks, r.rest)
    transfers = TransferWebhooks(public_url, documents, warm)
    services = CallServices(
        model=_model_connector(r, start_pacer),
        carriers=_carriers(r, transfers, snapshots, leases),
        toolbox=tools,
        tasks=r.tasks,
        publish=call_events.publish,
        added=r.added,
        open_bill=open_bill,
    )
    return Telephony(
        _registry(r, bounds, tools, services, call_events),
        call_events,
        snapshots,
        leases,
        start_pacer,
        documents,
        warm,
        transfers,
        DialTokens(r.auth_tokens, r.store, time),
    )


def _registry(
    r: Resources, bounds: Capacity, tools: Toolbox, services: CallServices, call_events: CallEvents
) -> CallRegistry:
    simulated_time = r.settings.simulated_time
    return CallRegistry(
        r.book,
        SessionConfigs(r.book, tools),
        services,
        r.table,
        r.store,
        r.settings.max_calls,
        call_events.announce,
        lambda: bounds.bills.spent_out,
        simulated_time.timestamp() - time() if simulated_time else 0.0,
        clock=r.tuning.wall_clock,
        sip_calls_max=r.tuning.sip_calls_max,
    )


def _model_connector(r: Resources, start_pacer: StartPacer) -> ModelConnector:
    return ModelConnector(
        r.settings.realtime_url,
        partial(model_headers, r.settings.openai_api_key.get_secret_value()),
        start_pacer,
        try_max_s=r.tuning.model_try_max_s,
        sideband_pause_max_s=r.tuning.sideband_pause_max_s,
    )


def _carriers(
    r: Resources, transfers: TransferWebhooks, snapshots: SnapshotStore, leases: SipLeases
) -> Carriers:
    public_url = r.settings.public_url

    def refer_started(call_sid: str, to: TransferCaller) -> None:
        target = msgspec.json.encode(to).decode()
        r.store.remember(refer_key(call_sid), target, limits.store.ENDINGS_KEPT_S)

    return Carriers(
        TwilioCarrier(
            r.rest,
            transfers.document,
            snapshots.save,
            after_url(public_url, DRAIN),
            hangup_confirm_max_s=r.tuning.hangup_confirm_max_s,
        ),
        SipCarrier(
            r.openai,
            r.rest,
            refer_started,
            leases.release,
            after_url(public_url, SIP),
            hangup_first_pause_s=r.tuning.sip_hangup_first_pause_s,
        ),
        BrowserCarrier(),
    )


def outbound_calls(
    r: Resources, bounds: Capacity, calls: Telephony, kept: Records
) -> OutboundCalls:
    return OutboundCalls(
        r.settings.public_url,
        r.settings.dial_countries,
        calls.registry,
        bounds.admission,
        TokenBucket(limits.outbound.DIALS_BURST, limits.outbound.DIALS_PER_S),
        OutboundTokens(r.auth_tokens, r.store, time),
        r.store,
        kept.store,
        r.metrics,
        r.tasks,
        bounds.shed,
        r.rest,
        r.tuning.dial_late_s,
    )


def sip_inbound(r: Resources, bounds: Capacity, calls: Telephony) -> SipInbound:
    return SipInbound(
        calls.registry,
        r.openai,
        calls.dial_tokens,
        bounds.admission,
        rates=bounds.rates,
        allow_rtp=r.settings.sip_allow_rtp,
        counted=lambda decision: r.metrics.sip_decisions.labels(decision).inc(),
        accept_max_s=r.tuning.sip_accept_max_s,
        decide_max_s=r.tuning.sip_decide_max_s,
    )


def sip_takeover(r: Resources, calls: Telephony, inbound: SipInbound) -> SipTakeover:
    def adopt(state: CallSnapshot) -> None:
        inbound.adopt(state)
        r.metrics.resumes.labels("adopted").inc()

    def hang_up(call_id: str) -> None:
        work = hang_up_with_retries(
            r.openai, call_id, first_pause_s=r.tuning.sip_hangup_first_pause_s
        )
        r.tasks.start(work, f"hang-up {call_id}", last=True)

    return SipTakeover(
        calls.leases, calls.snapshots, calls.registry, adopt, hang_up, look_s=r.tuning.sip_look_s
    )


# --- Subscribers ---


def subscribe(
    r: Resources, bounds: Capacity, calls: Telephony, kept: Records, outbound: OutboundCalls
) -> None:
    """Subscribe everything that follows calls, in the order in which each event reaches it."""
    metrics, call_log = r.metrics, CallLog()
    guard = AdmissionGuard(
        r.table,
        calls.snapshots,
        calls.leases,
        bounds.admission,
        bounds.breaker,
        bounds.rates,
        r.tasks,
    )

    def count(call: RunningCall, event: events.CallEvent) -> None:
        metrics.on_event(call.facts, event)
        if isinstance(event, events.CallEnded):
            metrics.call_over(call.machine)

    def write_log(call: RunningCall, event: events.CallEvent) -> None:
        call_log.on_event(call.facts, event, call.bill.usd)

    def record(call: RunningCall, event: events.CallEvent) -> None:
        kept.store.on_event(call.facts, event, call.bill.usd if type(event) in COSTS else None)

    def open_record(call: LiveCall) -> None:
        agent = call.machine.agent
        kept.store.open(call.facts, agent.model, agent.record)

    # Spend comes first: logs and records state what a call has cost. The registry comes last: it
    # forgets the call.
    subscribers = (bounds.spend.on_event, count, write_log, record, guard.on_event)
    for on_event in (*subscribers, calls.registry.on_event):
        calls.events.subscribe(on_event)
    for on_announced in (open_record, outbound.watch):
        calls.events.subscribe_to_announcements(on_announced)


# --- Endpoints ---


def twilio_endpoints(
    r: Resources, bounds: Capacity, calls: Telephony, texts: Messaging, outbound: OutboundCalls
) -> list[BaseRoute]:
    settings, registry = r.settings, calls.registry
    signature = TwilioSignature(
        settings.public_url,
        settings.media_url,
        r.auth_tokens,
        body_wait_s=r.tuning.webhook_body_wait_s,
    )
    tokens = StreamTokens(r.auth_tokens, r.store, time)
    streams = StreamAdmission(settings.twilio_account_sid, registry, tokens, calls.snapshots)
    media = MediaEndpoint(
        signature, streams, r.metrics.streams_refused, start_wait_s=r.tuning.start_wait_s
    )
    return twilio_routes(
        VerifiedWebhooks(signature, r.metrics.webhooks),
        _voice(r, bounds, calls, tokens, outbound.tokens),
        calls.transfers,
        StatusEndpoints(registry, outbound, calls.warm, r.metrics),
        media,
        MessageEndpoint(r.book, r.store, texts.pictures, calls.documents),
    )


def _voice(
    r: Resources,
    bounds: Capacity,
    calls: Telephony,
    stream_tokens: StreamTokens,
    outbound_tokens: OutboundTokens,
) -> VoiceEndpoints:
    settings, registry, documents = r.settings, calls.registry, calls.documents
    stream = MediaStreamLeg(
        settings.public_url,
        settings.media_url,
        documents,
        registry,
        bounds.admission,
        calls.snapshots,
        stream_tokens,
    )
    sip = SipLeg(settings.public_url, settings.sip_uri, documents, registry, calls.dial_tokens)
    steps = FallbackSteps(settings.public_url, documents, r.metrics.fallbacks)
    incoming = IncomingCalls(
        settings.overflow, bounds.shed, registry, stream, sip, steps, documents, r.metrics
    )
    failover = Failover(
        registry, r.store, calls.snapshots, stream, sip, steps, documents, calls.transfers,
        r.metrics,
    )  # fmt: skip
    return VoiceEndpoints(
        registry, r.store, calls.snapshots, outbound_tokens, documents, incoming, failover,
        calls.transfers,
    )  # fmt: skip


def openai_endpoint(
    r: Resources, calls: Telephony, inbound: SipInbound
) -> OpenAIWebhookEndpoint | None:
    """Return the endpoint of OpenAI's webhook, or None without a secret to verify it with."""
    if not r.settings.openai_webhook_secret:
        return None

    def take(call: IncomingCall) -> None:
        def decide() -> None:
            r.tasks.start(inbound.take(call), f"incoming {call.call_id}")

        calls.start_pacer.let_through(decide, limits.sip.CROWD_S)

    signature = OpenAISignature([s.get_secret_value() for s in r.settings.openai_webhook_secret])
    return OpenAIWebhookEndpoint(
        signature,
        r.store,
        take,
        lambda result: r.metrics.webhooks.labels("openai", result).inc(),
        on_skew=r.metrics.clock_skew.set,
        body_wait_s=r.tuning.webhook_body_wait_s,
    )


def operator_endpoints(
    r: Resources,
    bounds: Capacity,
    calls: Telephony,
    kept: Records,
    outbound: OutboundCalls,
) -> list[BaseRoute]:
    """Return the API, the console and the browser phone; nothing without an admin token."""
    if r.settings.admin_token is None:
        return []
    used: Callable[[], float] = lambda: bounds.bills.share_of_budget  # noqa: E731
    browser_calls = BrowserCalls(
        calls.registry, bounds.admission, bounds.shed, used, r.tuning.phone_begins_burst
    )
    phone = PhoneEndpoints(
        r.settings.public_url,
        PhoneTokens(r.auth_tokens, time),
        browser_calls,
        r.metrics,
        start_wait_s=r.tuning.start_wait_s,
    )
    api = CallsEndpoints(
        calls.registry, kept.store, kept.event_stream, r.images, outbound, phone.link
    )
    auth = OperatorAuth(r.settings.admin_token.get_secret_value(), r.metrics.admin_tokens_refused)
    return [*console_routes(), *phone.routes(), *api_routes(api, auth)]
