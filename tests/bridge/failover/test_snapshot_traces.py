"""States of calls in the store: found by every name of a call, and deleted."""

from __future__ import annotations

from time import monotonic

from gateway.bridge.failover.snapshot_traces import SnapshotTraces
from gateway.bridge.failover.snapshots import keys_of
from gateway.ops.records.history import CallNames
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store


async def test_states_and_sound_go_and_other_calls_stay() -> None:
    store = Store(MemoryStore(monotonic))
    calls = [CallNames("CA1", "CA1"), CallNames("rtc_2", "CA2"), CallNames("rtc_3", "")]
    other = CallNames("CA9", "CA9")
    for call in (*calls, other):
        for key in keys_of(call.call_sid, call.id):
            await store.put(key, "state", 60)
    traces = SnapshotTraces(store)
    assert await traces.forget(calls) > 0
    assert await traces.left(calls) == 0
    assert await traces.left([other]) > 0
