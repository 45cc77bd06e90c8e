"""Call events that decide on the next calls: admission slots, circuit breaker, rate limits."""

from __future__ import annotations

from typing import Final

from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.failover.sip_leases import SipLeases
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.limits.admission import Admission, RateWatch
from gateway.ops.limits.circuit_breaker import CircuitBreaker

_MODEL_FAILED: Final = frozenset({Ending.MODEL_REFUSED, Ending.MODEL_LOST, Ending.MODEL_SILENT})


class AdmissionGuard:
    """Keeps breaker and rate limits up to date, and holds what a call occupies until it ends."""

    def __init__(
        self,
        table: CallTable,
        snapshots: SnapshotStore,
        leases: SipLeases,
        admission: Admission,
        breaker: CircuitBreaker,
        rates: RateWatch,
        tasks: Tasks,
    ) -> None:
        self._table, self._snapshots, self._leases = table, snapshots, leases
        self._admission, self._breaker, self._rates = admission, breaker, rates
        self._tasks = tasks

    def on_event(self, call: RunningCall, event: events.CallEvent) -> None:
        match event:
            case events.ModelReady() | events.ModelReconnected() | events.SidebandConnected():
                self._breaker.worked()
            case events.CallerConnected():
                self._connected(call)
            case events.RateLimitsSeen():
                self._rates.update(event.limits)
            case events.CallEnded():
                self._ended(call, event)

    def _connected(self, call: RunningCall) -> None:
        facts = call.facts
        if facts.direction == "inbound":
            first = call.agents.book.agents.get(call.machine.first_agent, call.machine.agent)
            self._admission.restore(facts.slot_key, facts.caller, first.name, first.max_calls)
        if facts.call_id:
            # Not with the next renewal: until then nobody would miss a process that was killed.
            self._tasks.start(self._leases.hold(facts.call_id), f"lease {facts.key}")

    def _ended(self, call: RunningCall, event: events.CallEnded) -> None:
        facts = call.facts
        if _model_failed(event):
            self._breaker.failed(event.reason)
        if facts.call_id and not call.released:
            self._tasks.start(self._leases.drop(facts.call_id), f"drop-lease {facts.key}")
        if self._table.media_call(facts.call_sid) in (call, None):
            if not self._snapshots.shared:
                self._snapshots.remember(call, event.ending)
            ended = self._snapshots.ended(call, event.ending)
            # A call that did not end well may go on in another process, with its slot.
            # A browser that comes back asks for one again.
            over = event.ending.well or not facts.has_carrier
            release = self._admission.release(facts.slot_key, ended=over)
            self._tasks.start(ended, f"save-snapshot {facts.key}")
            self._tasks.start(release, f"release-slot {facts.key}")


def _model_failed(event: events.CallEnded) -> bool:
    # Where only the carrier says that a leg broke off, the cause is unknown.
    reported_by_carrier = event.ending is Ending.MODEL_LOST and not event.reason
    return event.ending in _MODEL_FAILED and not reported_by_carrier
