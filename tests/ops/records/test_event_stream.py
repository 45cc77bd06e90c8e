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
