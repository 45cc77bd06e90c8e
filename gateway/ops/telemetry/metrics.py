"""Prometheus metrics, kept by call events. A new metric never touches the call core."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from gateway import __version__
from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.machine import CallMachine
from gateway.ops.billing.prices import token_counts
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.loop_lag import LoopLag
from gateway.ops.telemetry.media_counters import MediaCountersCollector
from gateway.protocols.realtime_server import Usage

# The creation time of each series would be another series, and no rule or dashboard uses it.
disable_created_metrics()  # type: ignore[no-untyped-call]

NAN: Final = float("nan")
_RESUMES: Final = ("announced", "silent", "handed_over", "without_history", "adopted")
RECORDING_ERRORS: Final = ("backlog", "bug", "carrier", "disk", "store", "unreadable")
REFUSALS: Final = ("full", "draining", "budget", "no_agent")
_WAIT_BUCKETS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_STAGE_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0)
_SETUP_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0)
_LENGTH_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)


# The attribute of `Metrics` -> name, help text, labels (and buckets).
_COUNTERS: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "started": ("calls_started", "Calls whose caller arrived.", ("agent", "path")),
    "ended": ("calls_ended", "Calls that ended, by how.", ("agent", "path", "ending")),
    "refused": ("calls_refused", "Calls that were refused, by reason.", ("reason",)),
    "barge_ins": ("barge_ins", "Interruptions of the model by the caller.", ("agent",)),
    "barge_ins_ignored": (
        "barge_ins_ignored",
        "Speech that did not count as an interruption.",
        ("reason",),
    ),
    "under_runs": (
        "playback_underruns",
        "Gaps in the model's speech as the caller heard it.",
        ("cause",),
    ),
    "under_run_seconds": ("playback_underrun_seconds", "Length of those gaps.", ("cause",)),
    "dropped": ("audio_dropped_seconds", "Audio that was dropped, by reason.", ("reason",)),
    "tokens": (
        "tokens",
        "Tokens billed; cached ones are not counted again as others.",
        ("model", "direction", "kind", "cached"),
    ),
    "cost": (
        "cost_usd",
        "US dollars, by the price list: the model, transcripts, the carrier.",
        ("agent", "model", "kind"),
    ),
    "no_price": ("unpriced", "Usage for which the price list has no price.", ("model", "kind")),
    "spend_reached": (
        "spend_reached",
        "Calls that came near their cost limit, or reached it.",
        ("agent", "step"),
    ),
    "tools": ("tool_calls", "Tools that the model called.", ("tool",)),
    "images": ("images", "Pictures of callers, by outcome.", ("source", "outcome")),
    "image_workers_ended": (
        "image_workers_ended",
        "Processes that decode pictures and were replaced, by reason.",
        ("reason",),
    ),
    "image_uploads_refused": (
        "image_uploads_refused",
        "Pictures refused since too many were arriving at once.",
        (),
    ),
    "mcp_calls": (
        "mcp_calls",
        "Calls of hosted MCP tools, by how they ended.",
        ("server", "outcome"),
    ),
    "mcp_lists": (
        "mcp_lists",
        "Tool lists of hosted MCP servers, by outcome.",
        ("server", "outcome"),
    ),
    "mcp_left_out": (
        "mcp_tools_left_out",
        "Tools of MCP servers that could not be offered, counted when that changed.",
        ("server",),
    ),
    "approvals": ("approvals", "Approval requests, by outcome.", ("server", "outcome")),
    "errors": ("model_errors", "Errors that the model's server reported.", ("fault", "code")),
    "peer_faults": (
        "peer_faults",
        "Messages that could not be read; the call went on.",
        ("peer", "kind"),
    ),
    "prepared": (
        "sessions_prepared",
        "Sessions opened during the webhook: used, or given up before the caller arrived.",
        ("outcome",),
    ),
    "webhooks": ("webhooks", "Webhooks answered, by result.", ("endpoint", "result")),
    "streams_refused": (
        "streams_refused",
        "Media streams closed before they reached a call.",
        ("reason",),
    ),
    "connections_refused": (
        "connections_refused",
        "HTTP requests and connections that broke a bound, by the bound.",
        ("reason",),
    ),
    "admin_tokens_refused": (
        "admin_tokens_refused",
        "Requests to the operators' API without the right token.",
        (),
    ),
    "phone_refused": (
        "phone_refused",
        "Browser calls that were refused, and links that open nothing.",
        ("reason",),
    ),
    "stream_events": ("stream_events", "Stream status callbacks of the carrier.", ("event",)),
    "sip_decisions": ("sip_decisions", "Incoming SIP calls, by decision.", ("decision",)),
    "sidebands_reopened": (
        "sidebands_reopened",
        "Sidebands that were lost during a call and reconnected.",
        (),
    ),
    "transfers": ("transfers", "Transfers, by outcome.", ("outcome",)),
    "texts": (
        "texts",
        "Texts to callers: sent, refused by the carrier, or over a limit.",
        ("outcome",),
    ),
    "messages": ("voicemail_messages", "Messages that callers left.", ("agent",)),
    "keypad": (
        "keypad_entries",
        "Keypad entries of callers, by why they were complete.",
        ("agent", "end"),
    ),
    "warm_transfers": ("warm_transfers", "Warm transfers, by outcome.", ("outcome",)),
    "dials": ("dials", "Outbound calls, by outcome.", ("agent", "outcome")),
    "answered_by": ("answered_by", "Who answered outbound calls.", ("agent", "who")),
    "fallbacks": (
        "fallbacks",
        "Callers whose agent failed, by the failover step that they got.",
        ("step",),
    ),
    "reconnects": (
        "model_reconnects",
        "Connections to the model lost during a call, by reason.",
        ("reason",),
    ),
    "resumes": ("resumes", "Calls resumed on a new stream, by how.", ("how",)),
    "store_errors": ("store_errors", "Requests that the shared store did not serve.", ()),
    "records_lost": (
        "records_lost",
        "Records of ended calls that could not be written.",
        ("reason",),
    ),
    "recordings": ("recordings_stored", "Recordings that were stored.", ()),
    "recordings_refused": (
        "recordings_refused",
        "Calls that were not recorded though their agent asks for it, by reason.",
        ("reason",),
    ),
    "recording_errors": (
        "recording_errors",
        "Sound that could not be written, and recordings not stored yet, by reason.",
        ("reason",),
    ),
    "event_stream_dropped": (
        "event_stream_dropped",
        "Watchers of the live feed that did not keep up.",
        (),
    ),
}
_GAUGES: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "recordings_waiting": (
        "recordings_waiting",
        "Recordings of ended calls that are on their way to the store.",
        (),
    ),
    "budget": ("budget_spent_ratio", "Used share of the day's budget; 0 without one.", ()),
    "mcp_up": (
        "mcp_up",
        "1 while an MCP server that the gateway connects to is connected.",
        ("server",),
    ),
    "breaker_open": ("breaker_open", "1 while new calls are kept from the model.", ()),
    "clock_skew": (
        "clock_skew_seconds",
        "Seconds that this clock was ahead of OpenAI's, by its last webhook.",
        (),
    ),
    "rate_limit": (
        "rate_limit_remaining_ratio",
        "Remaining share of the model's rate limit, by the last response.",
        ("limit",),
    ),
    "descriptors_left": (
        "descriptors_left",
        "File descriptors that the process may still open.",
        (),
    ),
    "tasks": ("tasks", "Tasks of the event loop, those of calls included.", ()),
    "draining": ("draining", "1 while the process takes no new calls.", ()),
    "capacity": ("calls_capacity", "How many calls this process takes at once.", ("path",)),
    "certificate": (
        "certificate_expiry_timestamp_seconds",
        "When the public address's certificate ends, in Unix time; 0 for one that is refused.",
        (),
    ),
    "build": ("build_info", "Always 1; the version is a label.", ("version",)),
}
_HISTOGRAMS: Final[Mapping[str, tuple[str, str, tuple[str, ...], tuple[float, ...]]]] = {
    "length": ("call_seconds", "Length of a call.", ("agent", "path"), _LENGTH_BUCKETS),
    "setup": (
        "setup_seconds",
        "From the webhook to the end of each stage: model_ready, caller_arrived, first_sound.",
        ("stage", "path"),
        _SETUP_BUCKETS,
    ),
    "wait": (
        "response_seconds",
        "The caller's wait in a turn: from the end of their speech to the first sound they hear.",
        ("agent", "path"),
        _WAIT_BUCKETS,
    ),
    "stage": (
        "turn_stage_seconds",
        "The wait by its stages: detection, model, gateway, playback.",
        ("stage", "path"),
        _STAGE_BUCKETS,
    ),
    "reaction": (
        "barge_in_reaction_seconds",
        "From the start of the caller's speech to the clear that silences their line.",
        (),
        _STAGE_BUCKETS,
    ),
    "tool_seconds": (
        "tool_seconds",
        "How long functions took, by how they ended.",
        ("tool", "outcome"),
        _STAGE_BUCKETS,
    ),
    "mcp_seconds": (
        "mcp_seconds",
        "How long hosted MCP tools took, without the wait for an approval.",
        ("server",),
        _SETUP_BUCKETS,
    ),
    "sip_setup": (
        "sip_setup_seconds",
        "SIP: webhook_to_accept, accept_to_sideband, accept_to_first_audio.",
        ("stage",),
        _SETUP_BUCKETS,
    ),
    "renewed": (
        "model_renewed_seconds",
        "How long a call was without the model, by cause: lost, or hour (beside the old one).",
        ("cause",),
        _SETUP_BUCKETS,
    ),
}


class Metrics:
    """Every series of the gateway; `on_event` keeps those of calls."""

    started: Counter
    ended: Counter
    refused: Counter
    barge_ins: Counter
    barge_ins_ignored: Counter
    under_runs: Counter
    under_run_seconds: Counter
    dropped: Counter
    tokens: Counter
    cost: Counter
    no_price: Counter
    spend_reached: Counter
    tools: Counter
    images: Counter
    image_workers_ended: Counter
    image_uploads_refused: Counter
    texts: Counter
    mcp_calls: Counter
    mcp_lists: Counter
    mcp_left_out: Counter
    approvals: Counter
    errors: Counter
    peer_faults: Counter
    prepared: Counter
    webhooks: Counter
    streams_refused: Counter
    connections_refused: Counter
    admin_tokens_refused: Counter
    phone_refused: Counter
    stream_events: Counter
    sip_decisions: Counter
    sidebands_reopened: Counter
    transfers: Counter
    messages: Counter
    keypad: Counter
    warm_transfers: Counter
    dials: Counter
    answered_by: Counter
    fallbacks: Counter
    reconnects: Counter
    resumes: Counter
    store_errors: Counter
    records_lost: Counter
    event_stream_dropped: Counter
    budget: Gauge
    recordings: Counter
    recordings_refused: Counter
    recording_errors: Counter
    recordings_waiting: Gauge
    mcp_up: Gauge
    breaker_open: Gauge
    clock_skew: Gauge
    rate_limit: Gauge
    descriptors_left: Gauge
    tasks: Gauge
    draining: Gauge
    capacity: Gauge
    certificate: Gauge
    build: Gauge
    length: Histogram
    setup: Histogram
    wait: Histogram
    stage: Histogram
    reaction: Histogram
    tool_seconds: Histogram
    mcp_seconds: Histogram
    sip_setup: Histogram
    renewed: Histogram

    def __init__(
        self, added: AddedLatency, machines: Callable[[], Iterable[CallMachine]] = tuple
    ) -> None:
        """`machines` returns the cores of running calls, whose counters are read on a scrape."""
        self.registry = registry = CollectorRegistry()
        for attribute, (name, text, labels) in _COUNTERS.items():
            setattr(self, attribute, Counter(f"gateway_{name}", text, labels, registry=registry))
        for attribute, (name, text, labels) in _GAUGES.items():
            setattr(self, attribute, Gauge(f"gateway_{name}", text, labels, registry=registry))
        for attribute, (name, text, labels, buckets) in _HISTOGRAMS.items():
            histogram = Histogram(
                f"gateway_{name}", text, labels, buckets=buckets, registry=registry
            )
            setattr(self, attribute, histogram)
        self.certificate.set(NAN)
        self.build.labels(__version__).set(1)
        self._traffic = MediaCountersCollector(added, machines)
        registry.register(self._traffic)
        self.lag = LoopLag()
        registry.register(self.lag)
        self._table: dict[type, Callable[[CallInfo, Any], None]] = {
            events.CallerConnected: self._arrived,
            events.ModelReady: self._model_ready,
            events.ModelDisconnected: lambda _, n: self.reconnects.labels(_reason(n.reason)).inc(),
            events.ModelReconnected: lambda _, n: self.renewed.labels(n.cause).observe(n.seconds),
            events.SidebandConnected: self._sideband_up,
            events.TransferAttempted: lambda _, n: self.transfers.labels(n.outcome).inc(),
            events.AnswererDetected: lambda c, n: self.answered_by.labels(c.agent, n.who).inc(),
            events.FirstAudioSent: self._first_sound,
            events.TurnMeasured: self._turn,
            events.BargedIn: self._barged_in,
            events.BargeInIgnored: lambda _, n: self.barge_ins_ignored.labels(n.reason).inc(),
            events.PlaybackUnderRun: self._under_run,
            events.AudioDropped: lambda _, n: self.dropped.labels(n.reason).inc(n.ms / 1000),
            events.MessageTaken: lambda call, _: self.messages.labels(call.agent).inc(),
            events.KeysEntered: lambda call, n: self.keypad.labels(call.agent, n.why).inc(),
            events.UsageCounted: lambda _, n: self._usage(n.model, n.usage),
            events.ToolCompleted: lambda _, n: self.tool_seconds.labels(n.name, n.outcome).observe(
                n.seconds
            ),
            events.ToolCalled: lambda _, n: self.tools.labels(n.name).inc(),
            events.HostedToolsListed: lambda _, n: self.mcp_lists.labels(n.server, n.outcome).inc(),
            events.HostedToolCompleted: self._mcp_done,
            events.ApprovalResolved: lambda _, n: self.approvals.labels(n.server, n.outcome).inc(),
            events.ModelErrorReported: lambda _, n: self.errors.labels(n.fault, n.code).inc(),
            events.PeerFaultCounted: lambda _, n: self.peer_faults.labels(n.peer, n.kind).inc(),
            events.RateLimitsSeen: self._rate_limits,
            events.PictureSent: lambda _, n: self.images.labels(n.source, n.outcome).inc(),
            events.RecordingRefused: lambda _, n: self.recordings_refused.labels(n.reason).inc(),
            events.CallEnded: self._ended,
        }

    def expect(self, agents: Iterable[Agent]) -> None:
        """Create series at 0: for Prometheus, a series that begins at 1 has not risen."""
        for reason in REFUSALS:
            self.refused.labels(reason)
        for reason in RECORDING_ERRORS:
            self.recording_errors.labels(reason)
        for how in _RESUMES:
            self.resumes.labels(how)
        for reason in (*sorted(CLOSED), "silent", "unreachable"):
            self.reconnects.labels(reason)
        for agent in agents:
            self.wait.labels(agent.name, agent.path)
            self.started.labels(agent.name, agent.path)
            for ending in Ending:
                self.ended.labels(agent.name, agent.path, ending)

    def on_event(self, call: CallInfo, event: events.CallEvent) -> None:
        handler = self._table.get(type(event))
        if handler is not None:
            handler(call, event)

    def charged(self, agent: str, model: str, kind: str, usd: Decimal) -> None:
        self.cost.labels(agent, model, kind).inc(float(usd))

    def unpriced(self, model: str, kind: str) -> None:
        self.no_price.labels(model, kind).inc()

    def share_reached(self, agent: str, share: float) -> None:
        self.spend_reached.labels(agent, "limit" if share >= 1 else "warned").inc()

    def call_over(self, machine: CallMachine) -> None:
        """Keep the frames and bytes of an ended call in the sums."""
        counters = machine.media_counters(monotonic())
        if counters is not None:
            self._traffic.add_ended(counters)

    def _arrived(self, call: CallInfo, event: events.CallerConnected) -> None:
        self.started.labels(call.agent, call.path).inc()
        if call.path == "sip":
            self.sip_setup.labels("webhook_to_accept").observe(event.seconds)
        else:
            self.prepared.labels("used").inc()
        self.setup.labels("caller_arrived", call.path).observe(event.seconds)

    def _model_ready(self, call: CallInfo, event: events.ModelReady) -> None:
        self.setup.labels("model_ready", call.path).observe(event.seconds)

    def _first_sound(self, call: CallInfo, event: events.FirstAudioSent) -> None:
        self.setup.labels("first_sound", call.path).observe(event.seconds)
        if call.path == "sip":
            self.sip_setup.labels("accept_to_first_audio").observe(event.after_arrival_s)

    def _sideband_up(self, _call: CallInfo, event: events.SidebandConnected) -> None:
        if event.again:
            self.sidebands_reopened.inc()
        else:
            self.sip_setup.labels("accept_to_sideband").observe(event.seconds)

    def _turn(self, call: CallInfo, event: events.TurnMeasured) -> None:
        self.wait.labels(call.agent, call.path).observe(event.wait_s)
        for stage in ("detection", "model", "gateway", "playback"):
            self.stage.labels(stage, call.path).observe(getattr(event, f"{stage}_s"))

    def _barged_in(self, call: CallInfo, event: events.BargedIn) -> None:
        self.barge_ins.labels(call.agent).inc()
        self.reaction.observe(event.reaction_s)

    def _under_run(self, _call: CallInfo, event: events.PlaybackUnderRun) -> None:
        self.under_runs.labels(event.cause).inc()
        self.under_run_seconds.labels(event.cause).inc(event.gap_s)

    def _mcp_done(self, _call: CallInfo, event: events.HostedToolCompleted) -> None:
        self.mcp_calls.labels(event.server, event.outcome).inc()
        if event.outcome not in ("denied", "lost"):
            self.mcp_seconds.labels(event.server).observe(event.seconds)

    def _usage(self, model: str, usage: Usage) -> None:
        for direction, kind, cached, tokens in token_counts(usage):
            if tokens:
                self.tokens.labels(model, direction, kind, cached).inc(tokens)

    def _rate_limits(self, _call: CallInfo, event: events.RateLimitsSeen) -> None:
        for limit in event.limits:
            if limit.name in ("requests", "tokens") and limit.limit and limit.remaining is not None:
                self.rate_limit.labels(limit.name).set(limit.remaining / limit.limit)

    def _ended(self, call: CallInfo, event: events.CallEnded) -> None:
        if not event.arrived and call.path == "sip":
            return  # nothing was prepared: `sip_decisions` counts it
        if event.ending is Ending.NEVER_ARRIVED:
            self.prepared.labels("expired").inc()
        elif not event.arrived:
            self.prepared.labels("failed").inc()
        else:
            self.ended.labels(call.agent, call.path, event.ending).inc()
            self.length.labels(call.agent, call.path).observe(event.seconds)


def _reason(reason: str) -> str:
    """Return the label of a reason: the server chooses close codes, so unknown ones are one."""
    known = reason in CLOSED or not reason.startswith("closed_")
    return reason if known else "closed_other"


CLOSED: Final = frozenset(f"closed_{code}" for code in (1000, 1001, 1005, 1006, 1011, 1012, 1013))
