"""Prometheus: what callers experience, told by notes. A new metric never touches a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from gateway.ops.telemetry.media_counters import MediaCountersCollector
from gateway.protocols.realtime_server import Usage

# The moment of each series' birth, as a series: twice as many of them, and nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

NAN: Final = float("nan")
_RESUMES: Final = ("announced", "silent", "handed_over", "afresh", "adopted")
REFUSALS: Final = ("full", "draining", "starting", "budget", "no_agent")
_WAIT_BUCKETS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_STAGE_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0)
_SETUP_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0)
_LENGTH_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_LAG_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """Every series of the gateway, with help text; `on_note` keeps those of calls."""

    def __init__(self, added: AddedLatency) -> None:
        self.registry = registry = CollectorRegistry()
        agent, path = "agent", "path"

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"gateway_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"gateway_{name}", text, labels, buckets=tuple(buckets), registry=registry
            )

        self.started = counter("calls_started", "Calls whose caller arrived.", agent, path)
        self.ended = counter("calls_ended", "Calls that ended, by how.", agent, path, "ending")
        self.refused = counter("calls_refused", "Calls that were not taken, by reason.", "reason")
        self.length = histogram("call_seconds", "Length of a call.", _LENGTH_BUCKETS, agent, path)
        self.setup = histogram(
            "setup_seconds",
            "From the webhook to the end of each stage: model_ready, caller_arrived, first_sound.",
            _SETUP_BUCKETS, "stage", path,
        )  # fmt: skip
        self.wait = histogram(
            "response_seconds",
            "The caller's wait in a turn: from his last speech to the first sound he hears.",
            _WAIT_BUCKETS, agent, path,
        )  # fmt: skip
        self.stage = histogram(
            "turn_stage_seconds",
            "The wait by its stages: detection, model, gateway, playback.",
            _STAGE_BUCKETS, "stage", path,
        )  # fmt: skip
        self.barge_ins = counter("barge_ins", "Sentences that the caller broke into.", agent)
        self.barge_ins_ignored = counter(
            "barge_ins_ignored", "Speech that did not count as an interruption.", "reason"
        )
        self.reaction = histogram(
            "barge_in_reaction_seconds",
            "From the start of the caller's speech to the clear that makes his line quiet.",
            _STAGE_BUCKETS,
        )
        self.under_runs = counter(
            "playback_underruns", "Holes in the model's speech as the caller heard it.", "cause"
        )
        self.under_run_seconds = counter(
            "playback_underrun_seconds", "Length of those holes.", "cause"
        )
        self.dropped = counter(
            "sound_dropped_seconds", "Sound that was given up, by reason.", "reason"
        )
        self.tokens = counter(
            "tokens", "Tokens billed; cached ones are not counted again as others.",
            "model", "direction", "kind", "cached",
        )  # fmt: skip
        self.cost = counter(
            "cost_usd", "US dollars, by the price list: the model, transcripts, the carrier.",
            agent, "model", "kind",
        )  # fmt: skip
        self.no_price = counter(
            "unpriced", "Usage for which the price list has no price.", "model", "kind"
        )
        self.spend_reached = counter(
            "spend_reached", "Calls that came near what they may cost, or reached it.",
            agent, "step",
        )  # fmt: skip
        self.budget = Gauge(
            "gateway_budget_spent_ratio",
            "What is used of the day's budget; 0 without one.", registry=registry,
        )  # fmt: skip
        self.tools = counter("tool_calls", "Tools that the model called.", "tool")
        self.tool_seconds = histogram(
            "tool_seconds", "How long functions took, by how they ended.", _STAGE_BUCKETS,
            "tool", "outcome",
        )  # fmt: skip
        self.images = counter(
            "images", "Pictures of callers, and what became of them.", "source", "outcome"
        )
        self.image_workers_ended = counter(
            "image_workers_ended", "Processes that decode pictures and were replaced.", "reason"
        )
        self.image_uploads_refused = counter(
            "image_uploads_refused", "Pictures refused since too many were arriving at once."
        )
        self.mcp_up = Gauge(
            "gateway_mcp_up", "1 while an MCP server that the gateway reaches is there.",
            ("server",), registry=registry,
        )  # fmt: skip
        self.mcp_calls = counter(
            "mcp_calls", "Calls of hosted MCP tools, by how they ended.", "server", "outcome"
        )
        self.mcp_seconds = histogram(
            "mcp_seconds", "How long hosted MCP tools took, without the wait for an approval.",
            _SETUP_BUCKETS, "server",
        )  # fmt: skip
        self.mcp_lists = counter(
            "mcp_lists", "Lists of hosted MCP tools, by what became of them.", "server", "outcome"
        )
        self.approvals = counter(
            "approvals", "Requests to allow a tool, by how they were answered.",
            "server", "outcome",
        )  # fmt: skip
        self.errors = counter(
            "model_errors", "Errors that the model's server reported.", "fault", "code"
        )
        self.peer_faults = counter(
            "peer_faults", "Messages that could not be read; the call went on.", "peer", "kind"
        )
        self.prepared = counter(
            "sessions_prepared",
            "Sessions opened during the webhook: used, or given up before the caller arrived.",
            "outcome",
        )
        self.webhooks = counter("webhooks", "Webhooks answered, by result.", "endpoint", "result")
        self.streams_refused = counter(
            "streams_refused", "Media streams closed before they reached a call.", "reason"
        )
        self.admin_tokens_refused = counter(
            "admin_tokens_refused", "Requests to the operators' API without the right token."
        )
        self.phone_refused = counter(
            "phone_refused", "Browsers whose call was not taken, or whose link opens nothing.",
            "reason",
        )  # fmt: skip
        self.stream_events = counter(
            "stream_events", "Stream status callbacks of the carrier's.", "event"
        )
        self.sip_setup = histogram(
            "sip_setup_seconds",
            "SIP: webhook_to_accept, accept_to_sideband, accept_to_first_audio.",
            _SETUP_BUCKETS, "stage",
        )  # fmt: skip
        self.sip_decisions = counter(
            "sip_decisions", "What became of incoming SIP calls.", "decision"
        )
        self.sidebands_reopened = counter(
            "sidebands_reopened", "Sidebands that were lost in mid-call and had again."
        )
        self.transfers = counter("transfers", "Callers handed over, by outcome.", "outcome")
        self.messages = counter("messages_taken", "Messages that callers left.", "agent")
        self.keypad = counter(
            "keypad_entries", "What callers typed, by why it was complete.", "agent", "end"
        )
        self.warm_transfers = counter(
            "warm_transfers", "People rung for a caller who were to take him, by outcome.",
            "outcome",
        )  # fmt: skip
        self.dials = counter(
            "dials", "Calls that we placed, by what came of them.", agent, "outcome"
        )
        self.answered_by = counter("answered_by", "Who took those calls.", agent, "who")
        self.fallbacks = counter(
            "fallbacks", "Callers whose agent failed, by what they got instead.", "step"
        )
        self.reconnects = counter(
            "model_reconnects", "Connections to the model lost in mid-call, by reason.", "reason"
        )
        self.renewed = histogram(
            "model_renewed_seconds",
            "How long a call was without the model, by cause: lost, or hour (beside the old one).",
            _SETUP_BUCKETS, "cause",
        )  # fmt: skip
        self.resumes = counter("resumes", "Calls taken up again on a new stream, by how.", "how")
        self.store_errors = counter("store_errors", "Times that the shared store did not answer.")
        self.breaker_open = Gauge(
            "gateway_breaker_open", "1 while new calls are kept from the model.",
            registry=registry,
        )  # fmt: skip
        self.records_lost = counter(
            "records_lost", "Records of ended calls that could not be written.", "reason"
        )
        self.feed_dropped = counter(
            "feed_dropped", "Watchers of the operators' feed that did not keep up."
        )
        self.rate_limit = Gauge(
            "gateway_rate_limit_remaining_ratio",
            "What is left of the model's rate limit, by the last response.",
            ("limit",), registry=registry,
        )  # fmt: skip
        self.lag = histogram(
            "event_loop_lag_seconds", "How late the event loop woke a timer.", _LAG_BUCKETS
        )
        self.tasks = Gauge(
            "gateway_tasks", "Tasks of the event loop: of calls, doors and the house itself.",
            registry=registry,
        )  # fmt: skip
        self.draining = Gauge(
            "gateway_draining", "1 while the process takes no new calls.", registry=registry
        )
        self.capacity = Gauge(
            "gateway_calls_capacity", "How many calls this process takes at once.", (path,),
            registry=registry,
        )  # fmt: skip
        self.certificate = Gauge(
            "gateway_certificate_expiry_timestamp_seconds",
            "When the public address's certificate ends, in Unix time; 0 for one that is refused.",
            (), registry=registry,
        )  # fmt: skip
        self.certificate.set(NAN)
        build = Gauge(
            "gateway_build_info", "Always 1; the version is a label.", ("version",),
            registry=registry,
        )  # fmt: skip
        build.labels(__version__).set(1)
        self._traffic = MediaCountersCollector(added)
        registry.register(self._traffic)
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
            events.CallEnded: self._ended,
        }

    def expect(self, agents: Iterable[Agent]) -> None:
        """Series at 0 before the first event: what begins at 1 has not risen, for Prometheus."""
        for reason in REFUSALS:
            self.refused.labels(reason)
        for how in _RESUMES:
            self.resumes.labels(how)
        for reason in (*sorted(CLOSED), "silent", "unreachable"):
            self.reconnects.labels(reason)
        for agent in agents:
            self.wait.labels(agent.name, agent.path)
            self.started.labels(agent.name, agent.path)
            for ending in Ending:
                self.ended.labels(agent.name, agent.path, ending)

    def watch(self, calls: Callable[[], Iterable[CallMachine]]) -> None:
        """Where running calls are found when Prometheus asks."""
        self._traffic.calls = calls

    def on_event(self, call: CallInfo, note: events.CallEvent) -> None:
        handler = self._table.get(type(note))
        if handler is not None:
            handler(call, note)

    def charged(self, agent: str, model: str, kind: str, usd: Decimal) -> None:
        self.cost.labels(agent, model, kind).inc(float(usd))

    def unpriced(self, model: str, kind: str) -> None:
        self.no_price.labels(model, kind).inc()

    def share_reached(self, agent: str, share: float) -> None:
        self.spend_reached.labels(agent, "limit" if share >= 1 else "warned").inc()

    def call_over(self, machine: CallMachine) -> None:
        """Its frames and bytes stay counted."""
        counters = machine.media_counters(monotonic())
        if counters is not None:
            self._traffic.keep(counters)

    def _arrived(self, call: CallInfo, note: events.CallerConnected) -> None:
        self.started.labels(call.agent, call.path).inc()
        if call.path == "sip":
            self.sip_setup.labels("webhook_to_accept").observe(note.seconds)
        else:
            self.prepared.labels("used").inc()
        self.setup.labels("caller_arrived", call.path).observe(note.seconds)

    def _model_ready(self, call: CallInfo, note: events.ModelReady) -> None:
        self.setup.labels("model_ready", call.path).observe(note.seconds)

    def _first_sound(self, call: CallInfo, note: events.FirstAudioSent) -> None:
        self.setup.labels("first_sound", call.path).observe(note.seconds)
        if call.path == "sip":
            self.sip_setup.labels("accept_to_first_audio").observe(note.after_arrival_s)

    def _sideband_up(self, _call: CallInfo, note: events.SidebandConnected) -> None:
        if note.again:
            self.sidebands_reopened.inc()
        else:
            self.sip_setup.labels("accept_to_sideband").observe(note.seconds)

    def _turn(self, call: CallInfo, note: events.TurnMeasured) -> None:
        self.wait.labels(call.agent, call.path).observe(note.wait_s)
        for stage in ("detection", "model", "gateway", "playback"):
            self.stage.labels(stage, call.path).observe(getattr(note, f"{stage}_s"))

    def _barged_in(self, call: CallInfo, note: events.BargedIn) -> None:
        self.barge_ins.labels(call.agent).inc()
        self.reaction.observe(note.reaction_s)

    def _under_run(self, _call: CallInfo, note: events.PlaybackUnderRun) -> None:
        self.under_runs.labels(note.cause).inc()
        self.under_run_seconds.labels(note.cause).inc(note.gap_s)

    def _mcp_done(self, _call: CallInfo, note: events.HostedToolCompleted) -> None:
        self.mcp_calls.labels(note.server, note.outcome).inc()
        if note.outcome not in ("denied", "lost"):
            self.mcp_seconds.labels(note.server).observe(note.seconds)

    def _usage(self, model: str, usage: Usage) -> None:
        for direction, kind, cached, tokens in token_counts(usage):
            if tokens:
                self.tokens.labels(model, direction, kind, cached).inc(tokens)

    def _rate_limits(self, _call: CallInfo, note: events.RateLimitsSeen) -> None:
        for limit in note.limits:
            if limit.name in ("requests", "tokens") and limit.limit and limit.remaining is not None:
                self.rate_limit.labels(limit.name).set(limit.remaining / limit.limit)

    def _ended(self, call: CallInfo, note: events.CallEnded) -> None:
        if not note.arrived and call.path == "sip":
            return  # nothing was prepared: `sip_decisions` tells of it
        if note.ending is Ending.NEVER_ARRIVED:
            self.prepared.labels("expired").inc()
        elif not note.arrived:
            self.prepared.labels("failed").inc()
        else:
            self.ended.labels(call.agent, call.path, note.ending).inc()
            self.length.labels(call.agent, call.path).observe(note.seconds)


def _reason(told: str) -> str:
    """A close code is the server's to choose: of those, only the known ones are labels."""
    return told if told in CLOSED or not told.startswith("closed_") else "closed_other"


CLOSED: Final = frozenset(f"closed_{code}" for code in (1000, 1001, 1005, 1006, 1011, 1012, 1013))
