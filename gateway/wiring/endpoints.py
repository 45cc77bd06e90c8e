"""Endpoints of Twilio, OpenAI and operators."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from starlette.routing import BaseRoute

from gateway import limits
from gateway.bridge.agents_reload import AgentsReload
from gateway.bridge.failover.caller_traces import CallerTraces
from gateway.bridge.failover.carrier_end import CarrierEnd
from gateway.bridge.failover.snapshot_traces import SnapshotTraces
from gateway.bridge.inbound.before_calls import BeforeCalls
from gateway.bridge.inbound.browser_calls import BrowserCalls
from gateway.bridge.inbound.sip_inbound import SipInbound
from gateway.bridge.inbound.stream_admission import StreamAdmission
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.ops.delivery.delivery_traces import DeliveryTraces
from gateway.ops.limits.signed_tokens import OutboundTokens, PhoneTokens, ResumeTokens, StreamTokens
from gateway.ops.records.forgetting import Forgetting
from gateway.ops.records.history import CallFilter
from gateway.protocols.openai_webhooks import IncomingCall
from gateway.web.api.auth import OperatorAuth
from gateway.web.api.calls import CallsEndpoints
from gateway.web.browser.console import console_routes
from gateway.web.browser.phone import PhoneEndpoints
from gateway.web.openai.webhook import OpenAISignature, OpenAIWebhookEndpoint
from gateway.web.routes import api_routes, twilio_routes
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.failover import Failover
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.incoming import IncomingCalls
from gateway.web.twilio.media_stream import MediaEndpoint
from gateway.web.twilio.messages import MessageEndpoint
from gateway.web.twilio.recordings import RecordingWebhook
from gateway.web.twilio.secret_input import SecretInputEndpoints
from gateway.web.twilio.signature import TwilioSignature
from gateway.web.twilio.status import StatusEndpoints
from gateway.web.twilio.voice import VoiceEndpoints
from gateway.web.twilio.webhook import VerifiedWebhooks
from gateway.wiring.capacity import Capacity
from gateway.wiring.messaging import Messaging
from gateway.wiring.operators import Operators
from gateway.wiring.recordings import Recordings
from gateway.wiring.records import Records
from gateway.wiring.resources import Resources
from gateway.wiring.telephony import Telephony


def twilio_endpoints(
    r: Resources,
    bounds: Capacity,
    calls: Telephony,
    texts: Messaging,
    outbound: OutboundCalls,
    before: BeforeCalls,
    kept: Records,
    recorded: Recordings,
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
    failover, voice = _voice(r, bounds, calls, tokens, outbound.tokens, before)
    secret_inputs = SecretInputEndpoints(
        registry,
        r.store,
        calls.secret_entries,
        calls.snapshots,
        failover,
        calls.documents,
        voice.current,
        r.metrics.secret_inputs,
    )
    return twilio_routes(
        VerifiedWebhooks(signature, r.metrics.webhooks),
        voice,
        calls.transfers,
        secret_inputs,
        StatusEndpoints(
            registry, outbound, calls.warm, secret_inputs, _carrier_end(r, calls, kept), r.metrics
        ),
        media,
        MessageEndpoint(
            registry.agents, r.store, texts.caller_index, texts.pictures, calls.documents
        ),
        RecordingWebhook(recorded.carrier, registry.agents.agent),
    )


def _carrier_end(r: Resources, calls: Telephony, kept: Records) -> CarrierEnd:
    wait_s = r.tuning.delivery_over_after_s
    return CarrierEnd(calls.registry.ending_of, kept.outbox.over, r.tasks.start, wait_s=wait_s)


def _voice(
    r: Resources,
    bounds: Capacity,
    calls: Telephony,
    stream_tokens: StreamTokens,
    outbound_tokens: OutboundTokens,
    before: BeforeCalls,
) -> tuple[Failover, VoiceEndpoints]:
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
        settings.overflow,
        bounds.shed,
        registry,
        stream,
        sip,
        steps,
        documents,
        r.metrics,
        before,
        calls.transfers,
    )
    failover = Failover(
        registry,
        r.store,
        calls.snapshots,
        stream,
        sip,
        steps,
        documents,
        calls.transfers,
        r.metrics,
        settings.public_url,
    )
    voice = VoiceEndpoints(
        registry,
        r.store,
        calls.snapshots,
        outbound_tokens,
        documents,
        incoming,
        failover,
        calls.transfers,
    )
    return failover, voice


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
        on_left_out=lambda field: r.metrics.fields_left_out.labels("openai_webhook", field).inc(),
        body_wait_s=r.tuning.webhook_body_wait_s,
    )


def operator_endpoints(
    r: Resources,
    bounds: Capacity,
    calls: Telephony,
    kept: Records,
    texts: Messaging,
    outbound: OutboundCalls,
    reload: AgentsReload,
    recorded: Recordings,
    acting: Operators,
) -> list[BaseRoute]:
    """Return the API, the console and the browser phone; nothing without an operator's token."""
    if not r.settings.operator_tokens:
        return []
    used: Callable[[], float] = lambda: bounds.bills.share_of_budget  # noqa: E731
    browser_calls = BrowserCalls(
        calls.registry,
        calls.snapshots,
        bounds.admission,
        ResumeTokens(r.auth_tokens, time),
        bounds.shed,
        used,
        r.metrics.resumes.labels("browser").inc,
        r.tuning.phone_begins_burst,
    )
    phone = PhoneEndpoints(
        r.settings.public_url,
        r.settings.phone_origins,
        PhoneTokens(r.auth_tokens, time),
        browser_calls,
        texts.links,
        r.metrics,
        start_wait_s=r.tuning.start_wait_s,
    )
    api = CallsEndpoints(
        calls.registry,
        kept.store,
        kept.event_stream,
        r.images,
        outbound,
        acting.actions,
        acting.remote,
        phone.link,
        reload,
        kept.deliveries,
        kept.tokens,
        kept.audit,
        recorded.library,
        _forgetting(r, kept, recorded, acting),
        lambda kind: r.metrics.images.labels("operator", kind).inc(),
    )
    auth = OperatorAuth(kept.tokens, r.metrics.admin_tokens_refused, kept.audit)
    bursts = r.tuning.api_requests_burst, r.tuning.api_actions_burst
    return [*console_routes(), *phone.routes(), *api_routes(api, auth, *bursts)]


def _forgetting(r: Resources, kept: Records, recorded: Recordings, acting: Operators) -> Forgetting:
    async def running(number: str) -> list[str]:
        wanted = CallFilter(caller=number)
        return [call.id for call in (*kept.store.live(wanted), *await acting.remote.live(wanted))]

    stores = (r.states, r.store)
    traces = (
        recorded.traces,
        DeliveryTraces(kept.database),
        SnapshotTraces(stores),
    )
    return Forgetting(
        kept.history,
        kept.writes,
        kept.tombstones,
        running,
        traces,
        CallerTraces(stores, kept.caller_index),
        r.settings.retain_days,
    )
