"""Several processes share the outbox: no event is taken twice, and each call's are in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from database_end import DatabaseEnd, open_database
from postgres_end import PostgresEnd
from sqlalchemy import Row, select

from gateway import limits
from gateway.ops.database.schema import deliveries
from gateway.ops.delivery.delivery_queue import DeliveryInfo, DeliveryQueue, Report
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


async def rows(post: Post) -> dict[str, Row[Any]]:
    query = select(deliveries)
    found = await post.end.database.read(lambda c: c.execute(query).all())
    return {row.id: row for row in found}


async def test_what_is_taken_says_by_whom_and_until_when(post: Post) -> None:
    await post.add("a", "b")
    one, other = post.queue(), post.queue()
    (first,) = await one.take(1)
    (second,) = await other.take(5)
    assert (first.id, second.id) == ("msg_1", "msg_2"), "the one that is due first"
    taken = await rows(post)
    until_us = round((post.now + limits.database.DELIVERY_LEASE_S) * US)
    assert {row.leased_until for row in taken.values()} == {until_us}
    leases = {row.lease for row in taken.values()}
    assert len(leases) == 2
    assert {len(lease) for lease in leases} == {16}
    await one.report(first, Report(False, 503, "x" * 61, until_us))
    row = (await rows(post))["msg_1"]
    assert (row.leased_until, row.lease, row.due_at, row.state) == (0, None, until_us, "pending")
    assert (row.attempts, row.last_status, row.last_error) == (1, 503, "x" * 60)


async def test_a_lease_ends_in_its_last_moment(post: Post) -> None:
    await post.add("a")
    await post.queue().take(1)
    post.now += limits.database.DELIVERY_LEASE_S
    assert ids(await post.queue().take(1)) == ["msg_1"]


async def test_an_event_is_due_in_its_first_moment(post: Post) -> None:
    await post.add("a")
    queue, again_us = post.queue(), round((post.now + 20) * US)
    (taken,) = await queue.take(1)
    await queue.report(taken, Report(False, 500, "status_500", again_us))
    post.now += 19.999
    assert await queue.take(1) == []
    post.now = again_us / US
    assert ids(await queue.take(1)) == ["msg_1"]


async def test_what_was_delivered_has_no_words_any_more(post: Post) -> None:
    await post.add("a")
    queue = post.queue()
    (taken,) = await queue.take(1)
    await queue.report(taken, DONE)
    row = (await rows(post))["msg_1"]
    assert post.end.sealer.open("event:msg_1", row.sealed_body) == b""
    assert (row.state, row.delivered_at) == ("delivered", round(post.now * US))
    post.now += limits.database.DELIVERY_DELIVERED_KEPT_S
    await queue.stats()
    assert list(await rows(post)) == ["msg_1"], "for a whole day"
    post.now += 0.001
    await queue.stats()
    assert await rows(post) == {}


async def test_what_is_sent_again_has_another_day(post: Post) -> None:
    await post.add("a")
    queue = post.queue()
    (taken,) = await queue.take(1)
    await queue.report(taken, Report(False, 410, "status_410", None))
    post.now += 100
    assert await queue.retry("msg_1")
    row = (await rows(post))["msg_1"]
    due_us = round(post.now * US)
    give_up_us = due_us + round(limits.database.DELIVERY_GIVE_UP_S * US)
    assert (row.state, row.due_at, row.give_up_at) == ("pending", due_us, give_up_us)


async def test_a_page_that_is_full_to_the_last_event_is_the_last(post: Post) -> None:
    await post.add("a", "b", "c")
    queue = post.queue()
    for most in (3, 4):
        whole, after = await queue.listed(None, most)
        assert ([one.id for one in whole], after) == (["msg_3", "msg_2", "msg_1"], None)
    first, after = await queue.listed(None, 2)
    assert [one.id for one in first] == ["msg_3", "msg_2"]
    assert after == ((await rows(post))["msg_2"].created_at, "msg_2")
    rest, last = await queue.listed(None, 2, after)
    assert ([one.id for one in rest], last) == (["msg_1"], None)


async def test_an_event_in_a_list_says_what_became_of_it(post: Post) -> None:
    post.now = 1_790_000_000.001
    await post.add("a")
    queue = post.queue()
    ((info,), _) = await queue.listed("pending", 1)
    moment = "2026-09-21T14:13:20.000+00:00"
    waiting = DeliveryInfo("msg_1", "call.started", "a", "pending", moment, moment, 0)
    assert info == waiting
    (taken,) = await queue.take(1)
    await queue.report(taken, Report(False, None, "timeout", None))
    ((info,), _) = await queue.listed("parked", 1)
    assert info == DeliveryInfo(
        "msg_1", "call.started", "a", "parked", moment, None, 1, None, "timeout"
    )


async def test_figures_without_an_event(post: Post) -> None:
    assert await post.queue().stats() == (0, 0, 0.0)
    await post.add("a")
    post.now -= 60  # a clock that was set back makes no event that is younger than now
    assert await post.queue().stats() == (1, 0, 0.0)


async def test_what_is_older_is_deleted_and_what_is_as_old_is_kept(post: Post) -> None:
    await post.add("a")
    at_us = (await rows(post))["msg_1"].created_at
    await post.queue().expire(at_us)
    assert list(await rows(post)) == ["msg_1"]
    await post.queue().expire(at_us + 1)
    assert await rows(post) == {}


@pytest.mark.needs("initdb")
async def test_what_another_process_is_taking_now_is_not_waited_for(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    url = postgres.new_database()
    async with open_database(tmp_path, url, delivers=True) as end:
        post = Post(end)
        await post.add("a", "b")
        with psycopg.connect(url) as other:
            other.execute("SELECT * FROM deliveries WHERE id = 'msg_1' FOR UPDATE")
            assert ids(await post.queue().take(10)) == ["msg_2"]
