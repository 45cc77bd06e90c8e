"""Who is told what a call notes: metrics, logs, and whatever guards the next calls."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.failover.sip_leases import SipLeases
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.bridge.spend_limits import SpendLimits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.billing.bills import COSTS
from gateway.ops.limits.admission import Admission, RateWatch
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.records.store import RecordStore
from gateway.ops.telemetry.logs import CallLog
from gateway.ops.telemetry.metrics import Metrics

log = structlog.get_logger()
_MODEL_FAILED = frozenset({Ending.MODEL_REFUSED, Ending.MODEL_LOST, Ending.MODEL_SILENT})


@dataclass
class CallEvents:
    metrics: Metrics
    registry: CallRegistry
    snapshots: SnapshotStore
    admission: Admission
    breaker: CircuitBreaker
    rates: RateWatch
    tasks: Tasks
    spend_watch: SpendLimits
    records: RecordStore
    sip_leases: SipLeases
    _log: CallLog = field(default_factory=CallLog)

    def publish(self, call: RunningCall, note: events.CallEvent) -> None:
        """To everybody, though one of them fails; the switchboard last, which lets the call go."""
        told = (self.spend_watch.on_event, self._write_down, self._guard, self.registry.on_event)
        for tell in told:
            try:
                tell(call, note)
            except Exception:
                log.exception("a note was lost", call=call.facts.key, note=type(note).__name__)

    def _write_down(self, call: RunningCall, note: events.CallEvent) -> None:
        self.metrics.on_event(call.facts, note)
        self._log.on_event(call.facts, note, call.bill.usd)
        self.records.on_event(call.facts, note, call.bill.usd if type(note) in COSTS else None)

    def _guard(self, call: RunningCall, note: events.CallEvent) -> None:
        """Whatever decides on the next calls."""
        if isinstance(note, events.ModelReady | events.ModelReconnected | events.SidebandConnected):
            self.breaker.worked()
        elif isinstance(note, events.CallerConnected) and call.facts.direction == "inbound":
            facts, most = call.facts, call.machine.agent.max_calls
            self.admission.restore(facts.place, facts.caller, facts.agent, most)
        elif isinstance(note, events.RateLimitsSeen):
            self.rates.update(note.limits)
        elif isinstance(note, events.CallEnded):
            self._ended(call, note)

    def _ended(self, call: RunningCall, note: events.CallEnded) -> None:
        self.metrics.call_over(call.machine)
        if _model_failed(note):
            self.breaker.failed(note.reason)
        if call.facts.call_id and not call.released:
            drop = self.sip_leases.drop(call.facts.call_id)
            self.tasks.start(drop, f"drop-lease {call.facts.key}")
        if not call.facts.has_carrier:  # nobody brings this caller back
            self.tasks.start(self.admission.release(call.facts.place), f"leave {call.facts.key}")
        elif self.registry.media_call(call.facts.call_sid) in (call, None):
            if not self.snapshots.shared:
                self.snapshots.remember(call, note.ending)
            ended, leave = self.snapshots.ended(call, note.ending), self._leave(call, note.ending)
            self.tasks.start(ended, f"keep {call.facts.key}")
            self.tasks.start(leave, f"leave {call.facts.key}")

    async def _leave(self, call: RunningCall, ending: Ending) -> None:
        """A call that did not end well may go on elsewhere, as one whose stream went there does."""
        await self.admission.release(call.facts.place, ended=ending.well)


def _model_failed(note: events.CallEnded) -> bool:
    """Where the carrier alone says that a leg broke off, nobody knows whose doing it was."""
    told_by_carrier = note.ending is Ending.MODEL_LOST and not note.reason
    return note.ending in _MODEL_FAILED and not told_by_carrier
