"""What stands under a caller's number: found without a record, deleted, and found no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic

import pytest
from redis_end import running_redis

from gateway.bridge.failover.caller_traces import CallerTraces
from gateway.errors import StoreError
from gateway.ops.records.history import CallNames
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.encryption import Encryptor
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore
from gateway.ops.store.shared import Remote, Store

CALLER, OTHER = "+15551230042", "+15551230099"


async def hash_of(number: str) -> str:
    return f"hash-of-{number[-2:]}" if number else ""


def index_at(store: Store) -> CallerIndex:
    return CallerIndex(store, hash_of)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.needs("redis-server"))])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[list[Store]]:
    """Those of one process, and one of another where they share something."""
    if request.param == "memory":
        yield [Store(MemoryStore(monotonic))]
        return
    async with running_redis() as server:
        yield [server.store(), server.store()]


async def test_what_was_noted_of_a_caller_goes_and_nobody_elses(stores: list[Store]) -> None:
    here, there = stores[0], stores[-1]
    index, traces = index_at(there), CallerTraces([here], index_at(here))
    await index.note_call(CALLER, "rtc_1", "CA1")
    await index.note_call(CALLER, "rtc_2", "")
    for number, key in ((CALLER, "answered:a"), (CALLER, "texts:b"), (OTHER, "answered:c")):
        await index.note_key(number, key)
        await there.count(key, 60)
    assert await traces.calls(CALLER) == [CallNames("rtc_1", "CA1"), CallNames("rtc_2", "")]
    assert await traces.left(CALLER) == 4
    assert await traces.forget(CALLER, running=False) == 2
    assert (await traces.left(CALLER), await traces.calls(CALLER)) == (0, [])
    assert await traces.left(OTHER) == 1
    assert await traces.calls("") == []


async def test_of_a_call_that_runs_the_words_go_and_no_more_are_written(
    stores: list[Store],
) -> None:
    """It needs the rest to go on; when it is over its names are still known."""
    here, there = stores[0], stores[-1]
    traces = CallerTraces([here], index_at(here))
    await index_at(there).note_call(CALLER, "rtc_1", "CA1")
    await there.put("call:CA1", "what was said", 60)
    await traces.bar_running([CallNames("rtc_1", "CA1")])
    for key in ("call:CA1", "sip:rtc_1", "sound:CA1", "briefing:CA1"):
        await there.put(key, "a moment later", 60)
        assert not await here.exists(key)
    await there.put("dialled:CA1", "+15550100", 60)
    assert await here.get("dialled:CA1") == "+15550100"
    await traces.forget(CALLER, running=True)
    assert await traces.left(CALLER) == 1
    assert await traces.calls(CALLER) == [CallNames("rtc_1", "CA1")]


async def test_while_the_shared_store_is_away_nothing_is_proven() -> None:
    away = RedisStore("redis://127.0.0.1:9/0", Encryptor([]))
    store = Store(MemoryStore(monotonic), Remote(away))
    traces = CallerTraces([store], index_at(store))
    with pytest.raises(StoreError):
        await traces.left(CALLER)
    with pytest.raises(StoreError):
        await traces.forget(CALLER, running=False)
    await away.close()
