"""Running calls, and everything that brings one about or goes on with it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from time import time

import msgspec

from gateway import limits
from gateway.bridge.browser_feed import BrowserFeed
from gateway.bridge.calls.agents_in_use import AgentsInUse
from gateway.bridge.calls.browser_carrier import BrowserCarrier
from gateway.bridge.calls.carriers import Carriers
from gateway.bridge.calls.hangup_retry import hang_up_with_retries
from gateway.bridge.calls.model_connector import ModelConnector
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.sip_carrier import SipCarrier
from gateway.bridge.calls.start_pacer import StartPacer
from gateway.bridge.calls.twilio_carrier import TwilioCarrier
from gateway.bridge.event_dispatch import CallEvents
from gateway.bridge.failover.sip_leases import SipLeases
from gateway.bridge.failover.sip_takeover import SipTakeover
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.bridge.inbound.before_calls import BeforeCalls
from gateway.bridge.inbound.sip_inbound import SipInbound
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.bridge.outbound.warm_transfer import WarmTransfers
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call.commands import TransferCaller
from gateway.call.snapshot import CallSnapshot
from gateway.ops.limits.signed_tokens import DialTokens, OutboundTokens
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.ops.startup_checks import templates_of
from gateway.transports.openai_headers import model_headers
from gateway.web.twilio.failover import refer_key
from gateway.web.twilio.legs import DRAIN, SIP, after_url
from gateway.web.twilio.secret_entries import SecretEntries
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.twiml_documents import TwimlDocuments
from gateway.wiring.capacity import Capacity, open_bill
from gateway.wiring.records import Records
from gateway.wiring.resources import Resources


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
    secret_entries: SecretEntries
    dial_tokens: DialTokens
    feed: BrowserFeed


def telephony(r: Resources, bounds: Capacity, agents: AgentsInUse) -> Telephony:
    public_url = r.settings.public_url
    privacy = PrivacyFilter()
    call_events, start_pacer = CallEvents(privacy), StartPacer()
    snapshots = SnapshotStore(r.states, lambda: r.table.calls, privacy)
    leases = SipLeases(secrets.token_hex(4), r.remote, snapshots, lease_s=r.tuning.sip_lease_s)
    documents = TwimlDocuments(templates_of(r.settings))
    warm = WarmTransfers(public_url, r.store, r.metrics, r.tasks, r.rest)
    transfers = TransferWebhooks(public_url, documents, warm)
    secret_entries = SecretEntries(public_url, documents, r.store)
    services = CallServices(
        model=_model_connector(r, start_pacer),
        carriers=_carriers(r, transfers, secret_entries, snapshots, leases),
        tasks=r.tasks,
        publish=call_events.publish,
        added=r.added,
        open_bill=open_bill,
    )
    return Telephony(
        _registry(r, bounds, agents, services, call_events),
        call_events,
        snapshots,
        leases,
        start_pacer,
        documents,
        warm,
        transfers,
        secret_entries,
        DialTokens(r.auth_tokens, r.store, time),
        BrowserFeed(r.tasks, privacy),
    )


def _registry(
    r: Resources,
    bounds: Capacity,
    agents: AgentsInUse,
    services: CallServices,
    call_events: CallEvents,
) -> CallRegistry:
    simulated_time = r.settings.simulated_time
    return CallRegistry(
        agents,
        services,
        r.table,
        r.store,
        r.settings.max_calls,
        call_events.announce,
        lambda: bounds.bills.spent_out,
        simulated_time.timestamp() - time() if simulated_time else 0.0,
        clock=r.tuning.wall_clock,
        sip_calls_max=r.tuning.sip_calls_max,
        patience=r.tuning.patience,
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
    r: Resources,
    transfers: TransferWebhooks,
    secret_entries: SecretEntries,
    snapshots: SnapshotStore,
    leases: SipLeases,
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
            secret_entries.begin,
            hangup_confirm_max_s=r.tuning.hangup_confirm_max_s,
        ),
        SipCarrier(
            r.openai,
            r.rest,
            refer_started,
            leases.release,
            after_url(public_url, SIP),
            secret_entries.begin,
            hangup_first_pause_s=r.tuning.sip_hangup_first_pause_s,
        ),
        BrowserCarrier(snapshots.save, shared=snapshots.shared),
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
        kept.caller_index,
        kept.store,
        r.metrics,
        r.tasks,
        bounds.shed,
        r.rest,
        r.tuning.dial_late_s,
    )


def before_calls(calls: Telephony, kept: Records) -> BeforeCalls:
    return BeforeCalls(calls.registry, kept.history)


def sip_inbound(
    r: Resources, bounds: Capacity, calls: Telephony, before: BeforeCalls
) -> SipInbound:
    return SipInbound(
        calls.registry,
        r.openai,
        calls.dial_tokens,
        bounds.admission,
        before,
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
