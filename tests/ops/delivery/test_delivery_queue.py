"""Several processes share the outbox: no event is taken twice, and each call's are in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from database_end import DatabaseEnd, open_database

from gateway import limits
from gateway.ops.delivery.delivery_queue import DeliveryQueue, Report
from gateway.ops.delivery.outbox import EventWrite

US = 1_000_000
DONE = Report(True, 200, "", None)


@dataclass
class Post:
    """An outbox with a clock of the test's."""

    end: DatabaseEnd
    now: float = 1_790_000_000.0
    _count: int = field(default=0)

    def queue(self) -> DeliveryQueue:
        return DeliveryQueue(self.end.database, self.end.sealer, lambda: self.now)

    async def add(self, *calls: str) -> None:
        for call in calls:
            self._count += 1
            at_us = round(self.now * US) - 1_000 + self._count
            event = EventWrite(f"msg_{self._count}", "call.started", call, at_us, at_us, b"{}")
            data = msgspec.msgpack.encode(event)
            await self.end.database.write(lambda c, data=data: self.end.table.apply(c, data))


@pytest.fixture
async def post(tmp_path: Path, database_url: str | None) -> AsyncIterator[Post]:
    async with open_database(tmp_path, database_url, delivers=True) as end:
        yield Post(end)


def ids(taken: list[object]) -> list[str]:
    return [one.id for one in taken]  # type: ignore[attr-defined] # each is an event


async def test_of_each_call_only_the_oldest_is_taken(post: Post) -> None:
    await post.add("a", "a", "b")
    queue = post.queue()
    first = await queue.take(10)
    assert ids(first) == ["msg_1", "msg_3"]
    assert await queue.take(10) == [], "the second one of a call waits for the first"
    await queue.report(first[0], DONE)
    assert ids(await queue.take(10)) == ["msg_2"]


async def test_an_event_that_fails_holds_up_its_call_and_no_other(post: Post) -> None:
    await post.add("a", "a")
    queue = post.queue()
    (taken,) = await queue.take(10)
    await queue.report(taken, Report(False, 500, "status_500", round((post.now + 20) * US)))
    await post.add("b")
    assert ids(await queue.take(10)) == ["msg_3"]
    post.now += 21
    (again,) = await queue.take(10)
    assert (again.id, again.attempts) == ("msg_1", 1)
    await queue.report(again, Report(False, 500, "status_500", None))
    assert ids(await queue.take(10)) == ["msg_2"], "what is parked holds nothing up"


async def test_processes_do_not_take_the_same(post: Post, database_url: str | None) -> None:
    await post.add(*(f"call {number % 7}" for number in range(40)))
    ends = [DatabaseEnd(post.end.folder, database_url) for _ in range(3)]
    queues = [DeliveryQueue(end.database, end.sealer, lambda: post.now) for end in ends]
    seen: list[tuple[str, str]] = []

    async def work(queue: DeliveryQueue) -> None:
        while taken := await queue.take(3):
            for one in taken:
                seen.append((one.call_id, one.id))
                await queue.report(one, DONE)

    # One that finds nothing may stop while others still have an event of each call.
    while (await post.queue().stats()).pending:
        await asyncio.gather(*(work(queue) for queue in queues))
    assert len(seen) == len(set(seen)) == 40
    for call in {call for call, _ in seen}:
        numbers = [int(event[4:]) for one, event in seen if one == call]
        assert numbers == sorted(numbers)
    for end in ends:
        await end.close()


async def test_what_a_dead_process_had_is_taken_again(post: Post) -> None:
    await post.add("a")
    dead, other = post.queue(), post.queue()
    (taken,) = await dead.take(10)
    assert await other.take(10) == []
    post.now += limits.database.DELIVERY_LEASE_S + 1
    assert ids(await other.take(10)) == ["msg_1"]
    await dead.report(taken, Report(False, 500, "late", None))  # it was not dead, only slow
    assert (await other.stats()).parked == 0


async def test_what_is_parked_is_listed_and_sent_again(post: Post) -> None:
    await post.add("a", "b", "c")
    queue = post.queue()
    for one in await queue.take(2):
        await queue.report(one, Report(False, 410, "status_410", None))
    listed, after = await queue.listed("parked", 1)
    assert [(one.id, one.state, one.last_status) for one in listed] == [("msg_2", "parked", 410)]
    rest, _ = await queue.listed("parked", 5, after)
    assert [one.id for one in rest] == ["msg_1"]
    assert len((await queue.listed(None, 10))[0]) == 3
    assert await queue.retry("msg_1")
    assert not await queue.retry("msg_9")
    assert sorted(ids(await queue.take(10))) == ["msg_1", "msg_3"]
    assert (await queue.stats()).parked == 1


async def test_what_was_delivered_is_forgotten_after_a_day(post: Post) -> None:
    await post.add("a")
    queue = post.queue()
    (taken,) = await queue.take(1)
    await queue.report(taken, DONE)
    assert not await queue.retry("msg_1")
    stats = await queue.stats()
    assert (stats.pending, stats.parked, stats.oldest_s) == (0, 0, 0.0)
    assert len((await queue.listed("delivered", 5))[0]) == 1
    post.now += limits.database.DELIVERY_DELIVERED_KEPT_S + 1
    await queue.stats()
    assert (await queue.listed(None, 5))[0] == []


async def test_the_oldest_says_how_late_delivery_is(post: Post) -> None:
    await post.add("a")
    post.now += 90
    await post.add("b")
    stats = await post.queue().stats()
    assert stats.pending == 2
    assert 90 <= stats.oldest_s < 91
    await post.queue().expire(round(post.now * US))
    assert (await post.queue().stats()).pending == 0
