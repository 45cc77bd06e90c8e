"""States of calls in the store: found by every name of a call, and deleted."""

from __future__ import annotations

from time import monotonic
from typing import Any, cast

import pytest
from redis_end import running_redis

from gateway.bridge.failover.snapshot_traces import SnapshotTraces, delete_keys
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
    await store.put("photos:CA1", "photo:abc photo:def", 60)
    await store.put("photo:def", "of this call", 60)
    traces = SnapshotTraces([store])
    assert await traces.left(CALLS) > 0
    assert await traces.forget(CALLS) > 0
    assert await traces.left(CALLS) == 0
    assert await store.get("warm:w2") is None
    assert await store.get("photo:def") is None
    assert await traces.left([other]) == len(keys_of_call(other))


async def test_while_the_shared_store_is_away_nothing_is_proven() -> None:
    away = RedisStore("redis://127.0.0.1:9/0", Encryptor([]))
    traces = SnapshotTraces([Store(MemoryStore(monotonic), Remote(away))])
    for ask in (traces.left, traces.forget):
        with pytest.raises(StoreError):
            await ask(CALLS)
    await away.close()


async def test_a_store_that_goes_away_meanwhile_proves_nothing_either() -> None:
    class GoesAway:
        away = False

        async def exists(self, _key: str) -> bool:
            return True

        async def delete(self, _key: str) -> None:
            self.away = True

    with pytest.raises(StoreError):
        await delete_keys([cast("Any", GoesAway())], ["call:CA1"])


async def test_a_key_in_the_memory_of_either_store_is_found() -> None:
    """Without Redis each has a memory of its own: states of calls, and everything else."""
    stores = [Store(MemoryStore(monotonic)), Store(MemoryStore(monotonic))]
    await stores[0].put("call:CA1", "state", 60)
    await stores[1].put("briefing:CA1", "facts", 60)
    traces = SnapshotTraces(stores)
    assert await traces.left(CALLS) == 2
    assert await traces.forget(CALLS) == 2
    assert await traces.left(CALLS) == 0


async def test_a_count_is_a_trace_too() -> None:
    store = Store(MemoryStore(monotonic))
    await store.count("restarts:CA1", 60)
    traces = SnapshotTraces([store])
    assert (await traces.forget(CALLS), await traces.left(CALLS)) == (1, 0)


@pytest.mark.needs("redis-server")
async def test_a_state_that_another_process_is_writing_does_not_come_after_the_proof() -> None:
    async with running_redis() as server:
        here, there = server.store(), server.store()
        await there.put("call:CA1", "what was said", 60)
        await there.count("legs:CA1", 60)
        traces = SnapshotTraces([here])
        assert await traces.forget(CALLS) == 2
        for key in ("call:CA1", "sound:CA2", "sip:rtc_3", "ending:CA1"):
            await there.put(key, "a moment later", 60)
            assert not await here.exists(key)
        assert await traces.left(CALLS) == 0
        assert await there.get("call:CA1") is None, "its own memory has lost it too"
        await there.put("call:CA9", "another call", 60)
        assert await here.get("call:CA9") == "another call"
