"""Watchers get every message in order, or are disconnected; a call never waits for them."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway import limits
from gateway.ops.records.event_stream import EventStream, Subscription


def watcher(event_stream: EventStream) -> Subscription:
    subscription = event_stream.subscribe()
    assert subscription is not None
    return subscription


async def values(subscription: Subscription, count: int) -> list[object]:
    """Fails rather than wait."""
    found = [await subscription.next(5.0) for _ in range(count)]
    return [json.loads(message or b"null")["value"] for message in found]


async def test_every_watcher_gets_all_that_happens_from_then_on() -> None:
    event_stream = EventStream()
    event_stream.publish("CA1", "summary", 0)
    early = watcher(event_stream)
    event_stream.publish("CA1", "summary", 1)
    late = watcher(event_stream)
    event_stream.publish("CA1", "summary", 2)
    assert await values(early, 2) == [1, 2]
    assert await values(late, 1) == [2]


async def test_one_who_waits_is_woken() -> None:
    event_stream = EventStream()
    subscription = watcher(event_stream)
    waiting = asyncio.create_task(values(subscription, 1))
    await asyncio.sleep(0)
    event_stream.publish("CA1", "timeline", {"who": "caller"})
    assert await waiting == [{"who": "caller"}]


async def test_a_quiet_feed_says_so() -> None:
    assert await watcher(EventStream()).next(0.001) is None


async def test_one_who_does_not_keep_up_is_sent_away_and_counted() -> None:
    dropped: list[str] = []
    event_stream = EventStream(lambda: dropped.append("slow"))
    slow, quick = watcher(event_stream), watcher(event_stream)
    for number in range(limits.records.EVENT_STREAM_BACKLOG_MAX + 1):
        event_stream.publish("CA1", "summary", number)
        await values(quick, 1)
    with pytest.raises(StopAsyncIteration):
        await slow.next(5.0)
    assert dropped == ["slow"]
    event_stream.publish("CA1", "summary", "still")
    assert await values(quick, 1) == ["still"]


async def test_watchers_are_bounded_and_one_that_leaves_frees_a_slot() -> None:
    event_stream = EventStream()
    watchers = [watcher(event_stream) for _ in range(limits.records.EVENT_STREAM_SUBSCRIBERS_MAX)]
    assert event_stream.subscribe() is None
    watchers[3].close()
    assert event_stream.subscribe() is not None


async def test_when_the_process_stops_everybody_goes_home() -> None:
    event_stream = EventStream()
    subscription = watcher(event_stream)
    reading = asyncio.create_task(_all(subscription))
    await asyncio.sleep(0)
    event_stream.publish("CA1", "summary", 1)
    event_stream.close()
    assert len(await asyncio.wait_for(reading, 5.0)) == 1
    assert not event_stream.watched


async def _all(subscription: Subscription) -> list[bytes | None]:
    return [message async for message in subscription.messages(5.0)]


async def test_one_who_has_read_all_waits_for_the_next() -> None:
    event_stream = EventStream()
    subscription = watcher(event_stream)
    event_stream.publish("CA1", "summary", 1)
    assert await values(subscription, 1) == [1]
    assert await subscription.next(0.001) is None
    event_stream.publish("CA1", "summary", 2)
    assert await values(subscription, 1) == [2]


async def test_one_who_waits_is_told_of_the_end() -> None:
    event_stream = EventStream()
    waiting = asyncio.create_task(watcher(event_stream).next(60.0))
    await asyncio.sleep(0)
    event_stream.close()
    with pytest.raises(StopAsyncIteration):
        async with asyncio.timeout(5.0):
            await waiting


async def test_one_who_reads_no_further_is_no_watcher_any_more() -> None:
    event_stream = EventStream()
    messages = watcher(event_stream).messages(5.0)
    event_stream.publish("CA1", "summary", 1)
    assert await anext(messages) is not None
    assert event_stream.watched
    await messages.aclose()
    assert not event_stream.watched
    with watcher(event_stream):
        assert event_stream.watched
    assert not event_stream.watched


async def test_a_change_says_when_it_was_and_one_of_another_process_does_not() -> None:
    event_stream = EventStream()
    subscription = watcher(event_stream)
    event_stream.publish("CA1", "summary", {"a": 1}, 1.5)
    event_stream.publish("CA2", "summary", 2, 1.5, remote=True)
    event_stream.publish("CA3", "summary", 3)
    told = [json.loads(await subscription.next(5.0) or b"") for _ in range(3)]
    assert told == [
        {"call": "CA1", "at_s": 1.5, "part": "summary", "value": {"a": 1}},
        {"call": "CA2", "part": "summary", "value": 2, "remote": True},
        {"call": "CA3", "at_s": 0.0, "part": "summary", "value": 3},
    ]


async def test_what_a_slow_watcher_missed_is_not_kept() -> None:
    event_stream = EventStream()
    subscription, most = watcher(event_stream), limits.records.EVENT_STREAM_BACKLOG_MAX
    assert all(subscription.put(b"1") for _ in range(most))
    assert not subscription.put(b"2")
    assert not event_stream.watched
    with pytest.raises(StopAsyncIteration):
        await subscription.next(5.0)
