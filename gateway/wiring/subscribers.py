"""Everything that follows calls, in the order in which each event reaches it."""

from __future__ import annotations

from gateway.bridge.admission_guard import AdmissionGuard
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.call import events
from gateway.ops.billing.bills import COSTS
from gateway.ops.telemetry.logs import CallLog
from gateway.wiring.capacity import Capacity
from gateway.wiring.recordings import Recordings
from gateway.wiring.records import Records
from gateway.wiring.resources import Resources
from gateway.wiring.telephony import Telephony


def subscribe(
    r: Resources,
    bounds: Capacity,
    calls: Telephony,
    kept: Records,
    outbound: OutboundCalls,
    recorded: Recordings,
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
        machine = call.machine
        kept.store.open(call.facts, machine.agent, machine.privacy, resumed=machine.resumed)

    def note_caller(call: LiveCall) -> None:
        facts = call.facts
        if facts.has_carrier and facts.caller:
            note = kept.caller_index.note_call(facts.caller, facts.key, facts.call_sid)
            r.tasks.start(note, "note-caller")

    def note_waiting(_call: RunningCall, event: events.CallEvent) -> None:
        # Those that began before the database could be reached.
        if isinstance(event, events.CallEnded) and kept.caller_index.waiting:
            r.tasks.start(kept.caller_index.flush(), "note-callers")

    recorded.stored.subscribe(kept.recorded.on_stored)
    # Spend comes first: logs and records state what a call has cost. The registry comes last: it
    # forgets the call.
    subscribers = (
        bounds.spend.on_event,
        count,
        write_log,
        record,
        recorded.recorder.on_event,
        calls.feed.on_event,
        recorded.carrier.on_event,
        note_waiting,
        guard.on_event,
    )
    for on_event in (*subscribers, calls.registry.on_event):
        calls.events.subscribe(on_event)
    announced = (open_record, outbound.watch, recorded.recorder.on_announced, note_caller)
    for on_announced in announced:
        calls.events.subscribe_to_announcements(on_announced)
