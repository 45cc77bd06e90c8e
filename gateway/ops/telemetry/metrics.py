"""Prometheus metrics, kept by call events. A new metric never touches the call core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from time import monotonic
from typing import Any, Final

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
from gateway.ops.telemetry.series import MetricSeries
from gateway.protocols.realtime_server import Usage

NAN: Final = float("nan")
_RESUMES: Final = ("announced", "silent", "handed_over", "without_history", "adopted", "browser")
RECORDING_ERRORS: Final = ("backlog", "bug", "carrier", "disk", "store", "unreadable")
REFUSALS: Final = ("full", "draining", "budget", "no_agent")


class Metrics(MetricSeries):
    """Every series of the gateway; `on_event` keeps those of calls."""

    def __init__(
        self, added: AddedLatency, machines: Callable[[], Iterable[CallMachine]] = tuple
    ) -> None:
        """`machines` returns the cores of running calls, whose counters are read on a scrape."""
        super().__init__()
        self.certificate.set(NAN)
        self.build.labels(__version__).set(1)
        self._traffic = MediaCountersCollector(added, machines)
        self.registry.register(self._traffic)
        self._added, self.lag = added, LoopLag()
        self.registry.register(self.lag)
        self._table: dict[type, Callable[[CallInfo, Any], None]] = {
            events.CallerConnected: self._arrived,
            events.ModelReady: self._model_ready,
            events.ModelDisconnected: lambda _, n: self.reconnects.labels(_reason(n.reason)).inc(),
            events.ModelReconnected: lambda _, n: self.renewed.labels(n.cause).observe(n.seconds),
            events.SidebandConnected: self._sideband_up,
            events.TransferAttempted: lambda _, n: self.transfers.labels(n.outcome).inc(),
            events.HandOverAttempted: lambda _, n: self.hand_overs.labels(
                n.agent, n.to, n.outcome
            ).inc(),
            events.AnswererDetected: lambda c, n: self.answered_by.labels(c.agent, n.who).inc(),
            events.FirstAudioSent: self._first_sound,
            events.TurnMeasured: self._turn,
            events.BargedIn: self._barged_in,
            events.BargeInIgnored: lambda _, n: self.barge_ins_ignored.labels(n.reason).inc(),
            events.PlaybackUnderRun: self._under_run,
            events.AudioDropped: lambda _, n: self.dropped.labels(n.reason).inc(n.ms / 1000),
            events.MessageTaken: lambda call, _: self.messages.labels(call.agent).inc(),
            events.ResultFiled: lambda call, n: self.results.labels(
                call.agent, n.reason or n.status
            ).inc(),
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
            events.PeerFaultCounted: self._peer_fault,
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

    def on_loop_lag(self, seconds: float) -> None:
        """Take the lag of the event loop, ten times a second; sort what frames have noted since."""
        self.lag.observe(seconds)
        self._added.up.sort_many()

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

    def _peer_fault(self, _call: CallInfo, event: events.PeerFaultCounted) -> None:
        self.peer_faults.labels(event.peer, event.kind).inc()
        for field in event.fields:
            self.fields_left_out.labels(event.peer, field).inc()

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
