"""The store of one process, and one whose Redis a test answers for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gateway import limits
from gateway.errors import StoreError, StoreValueError
from gateway.ops.store.call_keys import ENDED, RUNNING
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore
from gateway.ops.store.shared import Remote, Store


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


# --- Without Redis ---


async def test_a_process_of_its_own_has_what_it_was_told() -> None:
    store = Store(MemoryStore(Clock()))
    assert (store.shared, store.away) == (False, False)
    assert await store.put_all([("a", "1", 60), ("b", "2", 60)])
    assert [await store.get("a"), store.known("b")] == ["1", "2"]
    assert [await store.exists("a"), await store.exists("c")] == [True, False]
    assert [await store.claim("once", 60), await store.claim("once", 60)] == [True, False]
    assert [await store.count("n", 60), await store.count("n", 60)] == [1, 2]
    store.remember("d", "4", 60)
    assert store.known("d") == "4"
    store.forget("d")
    assert store.known("d") is None
    await store.delete("a")
    assert await store.get("a") is None


async def test_a_process_of_its_own_has_nobody_to_leave_a_message_for() -> None:
    store = Store(MemoryStore(Clock()))
    assert not await store.push("list", "1", 60)
    assert await store.pop("list") is None
    assert not await store.post("board", "me", "1", 60)
    assert await store.posted("board") == {}


async def test_names_of_a_set_are_there_once_and_bounded() -> None:
    store, most = Store(MemoryStore(Clock())), limits.store.NOTED_MAX
    assert await store.noted("index") == []
    for name in ("b", "a", "b"):
        await store.note("index", name, 60)
    assert await store.noted("index") == ["a", "b"]
    for number in range(most):
        await store.note("index", f"n{number}", 60)
    left = await store.noted("index")
    assert len(left) == most
    assert "n0" in left
    assert "a" not in left


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (ENDED, {"spent:CA2", "other:CA1", "spent"}),
        (RUNNING, {"spent:CA1", "spent:CA2", "call:CA2", "other:CA1", "spent"}),
    ],
)
async def test_under_the_name_of_a_forgotten_call_nothing_is_put_any_more(
    state: str, kept: set[str]
) -> None:
    """Of one that runs no words; the rest it needs to go on."""
    store = Store(MemoryStore(Clock()))
    await store.put("call:CA2", "before", 60)
    await store.bar(["CA1"] if state == RUNNING else ["CA1", ""], state, 60)
    names = ["call:CA1", "spent:CA1", "spent:CA2", "call:CA2", "other:CA1", "spent", "sound:CA1"]
    if state == ENDED:
        names.remove("call:CA2")
    await store.put_all([(name, "1", 60) for name in names])
    assert {name for name in names if await store.get(name) is not None} == kept
    store.remember("briefing:CA1", "1", 60)
    assert store.known("briefing:CA1") is None


# --- With a Redis that a test answers for ---


class Answering:
    """What is asked of it stands in `asked`; the first `fails` requests are not served."""

    def __init__(self, fails: Sequence[Exception | None] = ()) -> None:
        self.asked: list[str] = []
        self.fails = list(fails)
        self.answers: dict[str, Any] = {"get": None, "add": 9, "claim": True, "exists": False}

    def __getattr__(self, name: str) -> Any:
        async def ask(*_arguments: object) -> Any:
            self.asked.append(name)
            if self.fails and (error := self.fails.pop(0)) is not None:
                raise error
            return self.answers.get(name)

        return ask


def shared(
    redis: Answering,
    failures: list[int] | None = None,
    start: Any = None,
    memory: MemoryStore | None = None,
) -> Store:
    told = failures if failures is not None else []
    remote = Remote(cast("RedisStore", redis), lambda: told.append(1))
    return Store(memory or MemoryStore(Clock()), remote, start)


async def test_what_redis_does_not_take_is_said_and_the_process_goes_on_alone() -> None:
    failures: list[int] = []
    redis = Answering([StoreError("away")] * 9)
    store = shared(redis, failures)
    assert store.shared
    with capture_logs() as logs:
        assert not await store.put_all([("a", "1", 60)])
        assert await store.get("a") == "1"
        assert await store.claim("once", 60)
        assert not await store.claim("once", 60)
        assert [await store.count("n", 60), await store.count("n", 60)] == [1, 2]
        assert not await store.push("list", "1", 60)
        assert await store.pop("list") is None
        assert not await store.post("board", "me", "1", 60)
        assert (await store.posted("board"), await store.noted("index")) == ({}, [])
        await store.note("index", "a", 60)
        await store.bar(["CA1"], ENDED, 60)
        await store.delete("a")
        assert not await store.exists("a")
    assert (failures, redis.asked) == ([1], ["put"]), "asked once"
    assert store.away
    assert [(line["event"], line["log_level"]) for line in logs] == [("store_unavailable", "error")]


async def test_what_redis_takes_is_asked_of_it() -> None:
    redis = Answering()
    redis.answers |= {"pop": "1", "posted": {"me": "1"}, "noted": ["a"], "exists": True}
    store = shared(redis)
    assert await store.put_all([("a", "1", 60)])
    assert await store.put_all([])
    assert await store.claim("once", 60)
    assert await store.count("n", 60) == 9
    assert await store.push("list", "1", 60)
    assert await store.pop("list") == "1"
    assert await store.post("board", "me", "1", 60)
    assert (await store.posted("board"), await store.noted("index")) == ({"me": "1"}, ["a"])
    await store.note("index", "a", 60)
    await store.bar(["CA1"], ENDED, 60)
    await store.bar([], ENDED, 60)
    assert await store.exists("a")
    await store.delete("a")
    assert redis.asked == [
        *("put", "claim", "add", "push", "pop", "post", "posted", "noted", "note", "bar"),
        *("exists", "delete"),
    ]
    assert not store.away


async def test_a_key_with_a_strange_value_is_no_outage() -> None:
    failures: list[int] = []
    store = shared(Answering([StoreValueError("a list")]), failures)
    with capture_logs() as logs:
        assert await store.get("a") is None
    assert (failures, store.away) == ([], False)
    assert [line["event"] for line in logs] == ["store_value_refused"]


async def test_writes_in_the_background_are_done_in_order_and_once() -> None:
    tasks: list[asyncio.Task[None]] = []
    redis = Answering()
    names: list[str] = []

    def start(work: Coroutine[Any, Any, None], name: str) -> None:
        names.append(name)
        tasks.append(asyncio.get_running_loop().create_task(work))

    store = shared(redis, start=start)
    store.remember("a", "1", 60)
    store.forget("a")
    store.remember("a", "2", 60)
    store.remember("b", "3", 60)
    assert await store.get("a") == "2", "Redis is not asked for what it has not got yet"
    assert redis.asked == []
    await asyncio.gather(*tasks)
    assert names == ["store_write"] * 2
    assert sorted(redis.asked) == ["delete", "put", "put", "put"]
    redis.answers["get"] = "3"
    assert await store.get("a") == "3"


async def test_a_request_that_is_cancelled_is_awaited_to_its_end() -> None:
    goes_on, ended = asyncio.Event(), list[str]()

    class Slow(Answering):
        async def get(self, _key: str) -> str:
            await goes_on.wait()
            ended.append("get")
            return "1"

    asking = asyncio.create_task(shared(Slow()).get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0)
    assert not asking.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended == ["get"]


async def test_an_outage_ends_when_a_write_is_taken() -> None:
    """Reads are served by a full server and by a replica, too."""
    failures: list[int] = []
    away = StoreError("away")
    redis = Answering([away, None, away])
    remote = Remote(cast("RedisStore", redis), lambda: failures.append(1))

    async def get() -> None:
        await remote.ask(lambda one: one.get("a"), otherwise=None)

    with capture_logs() as logs:
        for asked, left_to_look, left_to_probe in (
            (["get"], False, False),
            ([], False, False),
            (["get", "put"], True, False),
            (["get"], True, False),
            (["get", "put"], True, True),
            (["get"], False, False),
        ):
            redis.asked.clear()
            if left_to_look:
                remote.look_again_at = 0.0
            if left_to_probe:
                remote.probe_at = 0.0
            back_at = remote.back_at
            await get()
            assert redis.asked == asked
    assert failures == [1, 1], "a request, and a write on trial"
    assert (remote.down_since, remote.back_at) == (None, back_at)
    assert [line["event"] for line in logs] == ["store_unavailable", "store_available"]
    away_s = logs[1]["away_s"]
    assert away_s == round(away_s, 1)


async def test_a_key_that_redis_may_have_lost_counts_here() -> None:
    clock = Clock()
    redis = Answering([None, StoreError("away")])
    remote = Remote(cast("RedisStore", redis), back_at=50.0)
    store = Store(MemoryStore(clock), remote)
    await store.put("a", "1", 3600)
    redis.fails = [StoreError("away")]
    assert await store.get("a") == "1"
    remote.down_since, remote.back_at = None, 100.5
    assert await store.get("a") == "1", "it was put before Redis was back"
    assert not await store.claim("a", 60)
    remote.back_at = 99.5
    assert await store.get("a") is None, "another process has deleted it"
    assert store.known("a") is None
