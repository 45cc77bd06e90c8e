"""States of calls in the store: found by every name of a call, and deleted."""

from __future__ import annotations

from time import monotonic

import pytest

from gateway.bridge.failover.snapshot_traces import SnapshotTraces
from gateway.errors import StoreError
from gateway.ops.records.history import CallNames
from gateway.ops.store.call_keys import keys_of_call, keys_of_warm_transfer
from gateway.ops.store.encryption import Encryptor
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore
from gateway.ops.store.shared import Remote, Store

CALLS = [CallNames("CA1", "CA1"), CallNames("rtc_2", "CA2"), CallNames("rtc_3", "")]


async def test_all_that_has_a_calls_name_goes_and_other_calls_stay() -> None:
    store = Store(MemoryStore(monotonic))
    other = CallNames("CA9", "CA9")
    for call in (*CALLS, other):
        for key in keys_of_call(call):
            await store.put(key, "state", 60)
    await store.put("warm-of:CA2", "w2", 60)
    for key in keys_of_warm_transfer("w2"):
        await store.put(key, "what they want", 60)
    traces = SnapshotTraces(store)
    assert await traces.left(CALLS) > 0
    assert await traces.forget(CALLS) > 0
    assert await traces.left(CALLS) == 0
    assert await store.get("warm:w2") is None
    assert await traces.left([other]) == len(keys_of_call(other))


async def test_while_the_shared_store_is_away_nothing_is_proven() -> None:
    away = RedisStore("redis://127.0.0.1:9/0", Encryptor([]))
    traces = SnapshotTraces(Store(MemoryStore(monotonic), Remote(away)))
    for ask in (traces.left, traces.forget):
        with pytest.raises(StoreError):
            await ask(CALLS)
    await away.close()
