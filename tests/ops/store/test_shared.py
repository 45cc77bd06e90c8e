"""What processes share: over the real Redis, and without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pytest
from redis.asyncio import Redis
from redis_end import RedisEnd, redis_name, running_redis
from structlog.testing import capture_logs

from gateway import limits
from gateway.errors import NotAdmitted, StoreError, StoreValueError
from gateway.ops.limits.admission import Admission
from gateway.ops.store.encryption import Encryptor
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore
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


async def test_many_requests_at_once_are_no_outage(server: RedisEnd) -> None:
    failures: list[int] = []
    store = server.store(failures, max_s=20.0)  # a busy machine needs its time for so many
    many = range(4 * limits.store.STORE_CONNECTIONS_MAX)
    assert all(await asyncio.gather(*(store.claim(f"token:{n}", 60) for n in many)))
    assert await asyncio.gather(*(server.store().claim(f"token:{n}", 60) for n in many[:8])) == (
        [False] * 8
    )
    assert failures == []


async def test_processes_count_together(server: RedisEnd) -> None:
    one, other = server.store(), server.store()
    assert [await one.count("texts", 60), await other.count("texts", 60)] == [1, 2]
    server.process.kill()
    await server.process.wait()
    assert await one.count("texts", 60) == 2, "of this process alone, while Redis is away"


async def test_what_is_kept_expires(server: RedisEnd) -> None:
    one, other = server.store(), server.store()
    await one.put("a", "1", 0.05)
    async with asyncio.timeout(5):
        while await other.get("a") is not None:
            await asyncio.sleep(0.02)


async def test_nothing_stands_there_to_be_read(server: RedisEnd) -> None:
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
    other.restore("CA1", "+1", "desk", None)
    await one.release("CA1", ended=False)
    await other.renew()
    with pytest.raises(NotAdmitted, match="caller_busy"):
        await one.admit("CA2", "+1", "desk", None)
    await other.release("CA1")
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


async def test_a_former_primary_that_answers_readonly_is_left_for_the_one_that_serves(
    server: RedisEnd,
) -> None:
    """After a failover the address leads to another server, but old connections stay open."""
    failures: list[int] = []
    store = server.store(failures)
    await store.put("before", "1", 60)
    async with raw_client(server) as admin:
        await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        assert await connections(admin) == 1
        assert not await store.put_all([("a", "1", 60)])
        assert await connections(admin) == 0, "the next request connects anew"
        assert failures == [1]
        await admin.execute_command("REPLICAOF", "NO", "ONE")
        await served_again(store)
    assert await server.store().get("after") == "1"


async def test_a_script_on_a_read_only_server_counts_like_a_command(server: RedisEnd) -> None:
    failures: list[int] = []
    remote = server.remote(failures)
    admission = Admission(1, remote)
    async with raw_client(server) as admin:
        await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        await admission.admit("CA1", "+1", "desk", None)
        assert failures == [1]
        assert remote.down_since is not None
        assert await connections(admin) == 0


async def test_a_replica_without_its_primary_is_no_store(server: RedisEnd) -> None:
    """It answers MASTERDOWN to every read where stale data are not to be served."""
    failures: list[int] = []
    store = server.store(failures)
    await store.put("a", "1", 60)
    async with raw_client(server) as admin:
        await admin.config_set("replica-serve-stale-data", "no")
        await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        assert await store.get("a") == "1", "by this process's own memory"
        assert failures == [1]


@pytest.mark.parametrize("word", ["LOADING", "READONLY", "MASTERDOWN", "MYSTERY"])
async def test_answers_of_a_server_that_does_not_serve_drop_the_connections(word: str) -> None:
    """Redis is LOADING for as long as its data take: here a far end says it at once."""
    opened = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while line := await reader.readline():
            if line.startswith(b"*"):
                words = [await read_word(reader) for _ in range(int(line[1:]))]
                greets = words[0] in (b"HELLO", b"CLIENT", b"SELECT")
                writer.write(b"+OK\r\n" if greets else f"-{word} not now\r\n".encode())
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    redis = RedisStore(
        f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0", Encryptor(["key"])
    )
    for _ in range(2):
        with pytest.raises(StoreError):
            await redis.get("a")
    assert opened == (1 if word == "MYSTERY" else 2)
    await redis.close()
    listener.close()


async def test_a_value_of_another_type_is_a_fault_of_its_key_alone(server: RedisEnd) -> None:
    failures: list[int] = []
    remote = server.remote(failures)
    store = Store(MemoryStore(monotonic), remote)
    async with raw_client(server) as admin:
        await admin.rpush("gateway:a", "foreign")
        await admin.set("gateway:list", "foreign")
        await admin.set("gateway:spent_on:1", "foreign")
    assert await store.get("a") is None
    assert not await store.push("list", "1", 60)
    assert await store.pop("list") is None
    with pytest.raises(StoreValueError):
        await remote.redis.add("spent_on:1", 5, 60)
    assert failures == []
    assert remote.down_since is None
    await store.put("a", "1", 60)
    assert await store.get("a") == "1", "what is written anew is of the right type"


@pytest.mark.parametrize("killed", [False, True], ids=["demoted", "killed"])
async def test_a_replica_takes_over_for_all_processes(server: RedisEnd, killed: bool) -> None:
    """The name leads to it from then on; connections that are open stay where they are."""
    async with (
        running_redis() as replica,
        raw_client(server) as primary_admin,
        raw_client(replica) as admin,
        redis_name(server) as name,
    ):
        await admin.execute_command("REPLICAOF", "127.0.0.1", str(server.port))
        stores = [name.store() for _ in range(3)]
        await admin_sees(admin, "master_link_status", "up")
        await stores[0].put("before", "1", 60)
        assert await stores[1].claim("once", 60)
        assert await primary_admin.execute_command("WAIT", "1", "10000") == 1
        many = [store.put_all([(f"{n}", "1", 60)]) for store in stores for n in range(20)]
        failover = asyncio.gather(*many)
        if killed:
            server.process.kill()
            await server.process.wait()
        else:
            await primary_admin.execute_command("REPLICAOF", "127.0.0.1", str(replica.port))
        # Nobody has promoted the replica yet, and already it is found by its name.
        name.to = replica
        await failover
        for store in stores:
            assert not await store.put_all([("meanwhile", "1", 60)])
            assert store.away
            assert not await store.claim("once", 60) or store is not stores[1]
        await admin.execute_command("REPLICAOF", "NO", "ONE")
        for store in stores:
            await served_again(store)
            assert await store.get("before") == "1"
            assert not await store.claim("once", 60)
        assert sorted([await store.claim("twice", 60) for store in stores]) == [False, False, True]
        await stores[2].put("between", "1", 60)
        assert await stores[0].get("between") == "1"


async def admin_sees(admin: Any, field: str, value: str) -> None:
    async with asyncio.timeout(30):
        while (await admin.info("replication")).get(field) != value:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def raw_client(server: RedisEnd) -> AsyncIterator[Any]:
    client: Any = Redis.from_url(server.url)
    yield client
    await client.aclose()


async def connections(admin: Any) -> int:
    """How many the gateway has open, as the server counts."""
    return sum(client["name"] == "gateway" for client in await admin.client_list())


async def served_again(store: Store) -> None:
    async with asyncio.timeout(30):
        while not await store.put_all([("after", "1", 60)]):
            await asyncio.sleep(0.02)


async def read_word(reader: asyncio.StreamReader) -> bytes:
    length = int((await reader.readline())[1:])
    return (await reader.readexactly(length + 2))[:-2]


async def test_a_server_that_reads_only_is_away_until_it_writes(server: RedisEnd) -> None:
    """A full one, or one whose disk is full: told once each, whatever is read meanwhile."""
    store, now = server.store(), limits.store.STORE_PAUSE_S
    await store.put("before", "1", 60)
    async with raw_client(server) as admin:
        await admin.config_set("maxmemory-policy", "noeviction")
        await admin.config_set("maxmemory", "1")
        with capture_logs() as logs:
            for _ in range(2):
                assert not await store.put_all([("a", "1", 60)])
                await asyncio.sleep(now)
                assert await store.get("before") == "1"
                assert await store.pop("nothing") is None
                assert store.away
            await admin.config_set("maxmemory", "0")
            async with asyncio.timeout(30):
                while store.away:
                    await asyncio.sleep(0.02)
                    await store.get("before")  # a process without calls writes nothing
    assert [line["event"] for line in logs] == ["store_unavailable", "store_available"]
