"""What processes share: over the real Redis, and without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from redis_end import RedisEnd, running_redis

from gateway import limits
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture
async def server() -> AsyncIterator[RedisEnd]:
    async with running_redis() as running:
        yield running


async def test_processes_agree(server: RedisEnd) -> None:
    one, other = server.store(), server.store()
    await one.put("a", "1", 60)
    assert await other.get("a") == "1"
    assert await one.claim("token", 60)
    assert not await other.claim("token", 60)
    await other.delete("a")
    assert await other.get("a") is None


async def test_what_is_kept_expires(server: RedisEnd) -> None:
    one, other = server.store(), server.store()
    await one.put("a", "1", 0.05)
    async with asyncio.timeout(5):
        while await other.get("a") is not None:
            await asyncio.sleep(0.02)


async def test_nothing_stands_there_to_be_read(server: RedisEnd) -> None:
    from redis.asyncio import Redis  # noqa: PLC0415

    await server.store().put("call:CA1", "My code word is heron.", 60)
    raw = Redis.from_url(f"redis://127.0.0.1:{server.port}/0")
    found = [await raw.get(key) for key in await raw.keys("*")]
    await raw.aclose()
    assert found
    assert not any(b"heron" in value for value in found)


async def test_places_are_counted_over_all_processes(server: RedisEnd) -> None:
    one, other = (Admission(None, server.remote()) for _ in range(2))
    results = await asyncio.gather(
        *((one if n % 2 else other).admit(f"CA{n}", "+1", "desk", 5) for n in range(20)),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 5
    assert sum(isinstance(result, NotAdmitted) for result in results) == 15


async def test_a_place_goes_along_with_its_call(server: RedisEnd) -> None:
    """Let in by one process, in another, and over."""
    one, other = (Admission(1, server.remote()) for _ in range(2))
    await one.admit("CA1", "+1", "desk", None)
    other.hold("CA1", "+1", "desk", None)
    await one.leave("CA1", over=False)
    await other.renew()
    with pytest.raises(NotAdmitted, match="caller_busy"):
        await one.admit("CA2", "+1", "desk", None)
    await other.leave("CA1")
    await one.admit("CA2", "+1", "desk", None)


async def test_redis_goes_away_and_nobody_waits(server: RedisEnd) -> None:
    failures: list[int] = []
    store = server.store(failures)
    await store.put("a", "1", 60)
    server.process.kill()
    await server.process.wait()
    begun = monotonic()
    assert await store.get("a") == "1"
    assert await store.claim("b", 60)
    assert not await store.claim("b", 60)
    assert not await store.put_all([("c", "1", 60)])
    assert await store.get("c") == "1"
    assert monotonic() - begun < limits.store.STORE_PAUSE_S
    assert len(failures) == 1, "it is not asked again at once"


async def test_all_processes_count_in_one_number(server: RedisEnd) -> None:
    one, other = server.remote(), server.remote()
    assert await one.redis.add("spent_on:1", 5, 60) == 5
    assert await other.redis.add("spent_on:1", 7, 60) == 12
    assert await one.redis.add("spent_on:1", 0, 60) == 12


async def test_what_another_process_deleted_is_not_remembered(server: RedisEnd) -> None:
    one, other = server.store(), server.store()
    await one.put("ending:CA1", "transferred", 60)
    await other.delete("ending:CA1")
    assert await one.get("ending:CA1") is None
    assert await one.claim("idempotency", 60)
    assert not await other.claim("idempotency", 60)
    await one.delete("idempotency")
    assert await other.claim("idempotency", 60)


async def test_what_is_handed_out_once_is_gone_for_all(server: RedisEnd) -> None:
    one, other = server.store(), server.store()
    await one.put("sound:CA1", "", 60)
    assert await other.get("sound:CA1") == ""
    await other.delete("sound:CA1")
    assert await one.get("sound:CA1") is None


async def test_what_is_just_being_written_or_deleted_is_so_already(server: RedisEnd) -> None:
    """Nobody waits for it, and the next who asks may be sooner than Redis."""
    tasks: list[asyncio.Task[None]] = []
    memory, remote = MemoryStore(monotonic), server.remote()
    store = Store(memory, remote, lambda work, _: tasks.append(asyncio.create_task(work)))
    store.remember("a", "1", 60)
    assert await store.get("a") == "1"
    store.forget("a")
    assert await store.get("a") is None
    await asyncio.gather(*tasks)
    assert await server.store().get("a") is None


async def test_what_redis_did_not_take_or_has_lost_counts_when_it_is_back(
    server: RedisEnd,
) -> None:
    store = server.store()
    await store.put("before", "1", 60)
    assert await store.claim("token", 60)
    server.process.kill()
    await server.process.wait()
    assert not await store.put_all([("meanwhile", "2", 60)])
    assert await store.claim("other token", 60)
    async with running_redis(server.port):
        async with asyncio.timeout(30):
            while not await store.put_all([("after", "3", 60)]):
                await asyncio.sleep(0.02)
        assert [await store.get(key) for key in ("before", "meanwhile", "after")] == list("123")
        assert not await store.claim("token", 60)
        assert not await store.claim("other token", 60)
        await store.put("later", "4", 60)
        await server.store().delete("later")
        assert await store.get("later") is None
