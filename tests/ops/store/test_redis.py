"""What stands in the real Redis: what, under which key, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis_end import RedisEnd, running_redis

from gateway import limits
from gateway.ops.store.call_keys import ENDED, bar_of_call
from gateway.ops.store.redis import RedisStore

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture
async def server() -> AsyncIterator[RedisEnd]:
    async with running_redis() as running:
        yield running


@pytest.fixture
async def raw(server: RedisEnd) -> AsyncIterator[Any]:
    client: Any = Redis.from_url(server.url)
    yield client
    await client.aclose()


@pytest.fixture
def store(server: RedisEnd) -> RedisStore:
    return server.remote().redis


async def lives_s(raw: Any, key: str) -> int:
    """Seconds to live, rounded up: the test itself takes less than one."""
    return -(-int(await raw.pttl(f"gateway:{key}")) // 1000)


async def test_keys_lists_sets_and_counters(store: RedisStore, raw: Any) -> None:
    await store.put([("a", "1", 60), ("b", "2", 120)])
    assert [await store.get("a"), await store.get("b"), await store.get("c")] == ["1", "2", None]
    assert [await store.exists("a"), await store.exists("c")] == [True, False]
    assert [await store.claim("once", 60), await store.claim("once", 60)] == [True, False]
    assert [await store.add("n", 5, 60), await store.add("n", 2, 60)] == [5, 7]
    for number in range(4):
        await store.push("list", str(number), 60, 3)
    assert [await store.pop("list") for _ in range(2)] == ["1", "2"], "the oldest was dropped"
    for name in ("b", "a", "b"):
        await store.note("set", name, 60)
    assert (await store.noted("set"), await store.noted("none")) == (["a", "b"], [])
    await store.bar(["CA1"], ENDED, 60)
    assert await raw.get(f"gateway:{bar_of_call('CA1')}") == b"ended"
    keys = ("a", "once", "n", "list", "set", bar_of_call("CA1"))
    assert [await lives_s(raw, key) for key in keys] == [60] * 6
    assert await lives_s(raw, "b") == 120
    assert await store.pop("list") == "3"
    assert await store.pop("list") is None
    await store.delete("a")
    assert not await store.exists("a")


async def test_a_board_has_one_value_of_each_and_forgets_who_is_gone(
    store: RedisStore, raw: Any
) -> None:
    assert await store.posted("board") == {}
    for member, value in (("one", "1"), ("other", "2"), ("one", "3")):
        await store.post("board", member, value, 30)
    assert await store.posted("board") == {"one": "3", "other": "2"}
    assert [await lives_s(raw, key) for key in ("board", "board:one")] == [60, 30]
    await raw.delete("gateway:board:one")
    assert await store.posted("board") == {"other": "2"}
    assert await raw.smembers("gateway:board") == {b"other"}
    await raw.set("gateway:board:other", b"sealed with another key")
    assert await store.posted("board") == {}


async def test_slots_are_taken_renewed_and_given_back(store: RedisStore, raw: Any) -> None:
    slots = [("caller:1", 2), ("agent:desk", 1)]
    assert await store.admit("CA1", slots, limits.store.LEASE_S) == 0
    assert await store.admit("CA1", slots, limits.store.LEASE_S) == 0, "renewed"
    assert await store.admit("CA2", slots, limits.store.LEASE_S) == 2, "the second set is full"
    assert await raw.zrange("gateway:slots:caller:1", 0, -1) == [b"CA1"], "no slot of the first"
    assert await store.admit("CA3", slots[:1], limits.store.LEASE_S) == 0
    assert await store.admit("CA4", slots, limits.store.LEASE_S) == 1
    await store.free("CA1", [name for name, _ in slots])
    assert await store.admit("CA2", slots, limits.store.LEASE_S) == 0


async def test_a_lease_is_taken_over_once_it_is_not_renewed(store: RedisStore) -> None:
    assert await store.take_expired_lease("two", 60) is None
    assert await store.renew_leases("one", ["CA1", "CA2"], 60) == []
    assert await store.take_expired_lease("two", 60) is None
    await store.release_lease("CA1")
    assert await store.take_expired_lease("two", 60) == "CA1"
    assert await store.renew_leases("one", ["CA1", "CA2"], 60) == ["CA1"]
    await store.release_lease("CA2")
    await store.drop_lease("CA2")
    assert await store.take_expired_lease("two", 60) is None
