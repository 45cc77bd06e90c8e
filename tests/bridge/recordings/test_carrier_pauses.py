"""Pauses at the carrier: one request at a time for each call, and the last wish wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.bridge.recordings.carrier_pauses import CarrierPauses
from gateway.errors import LinkError

CALL, OTHER = "CA" + "b" * 32, "CA" + "c" * 32


class Carrier:
    """The carrier's end: what it was asked, and how often it fails before it obeys."""

    def __init__(self) -> None:
        self.failures = 0
        self.asked: list[str] = []
        self.news = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def pause(self, call_sid: str, *, paused: bool) -> None:
        self.asked.append(f"{'pause' if paused else 'resume'} {call_sid}")
        self.news.set()
        await self.answers.wait()
        if self.failures:
            self.failures -= 1
            raise LinkError("http_503", retryable=True)

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(20):
            while len(self.asked) < times:
                self.news.clear()
                await self.news.wait()


class Recordings:
    """Whoever has recordings paused, with what they learn."""

    def __init__(self, carrier: Carrier, first_pause_s: float = 0.001) -> None:
        self.done, self.errors = list[tuple[str, bool]](), list[str]()
        self.tasks: list[asyncio.Task[None]] = []
        self.pauses = CarrierPauses(
            carrier,  # type: ignore[arg-type] # the far end of the client
            self.start,
            lambda call_sid, paused: self.done.append((call_sid, paused)),
            self.errors.append,
            first_pause_s,
        )

    def start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def over(self) -> None:
        """Nothing is being asked for any more."""
        async with asyncio.timeout(20):
            await asyncio.gather(*self.tasks)


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
async def recordings(carrier: Carrier) -> AsyncIterator[Recordings]:
    recordings = Recordings(carrier)
    yield recordings
    for task in recordings.tasks:
        task.cancel()


async def test_one_that_fails_is_tried_again(recordings: Recordings, carrier: Carrier) -> None:
    carrier.failures = 3
    recordings.pauses.ask(CALL, paused=True)
    await recordings.over()
    assert carrier.asked == [f"pause {CALL}"] * 4
    assert (recordings.done, recordings.errors) == ([(CALL, True)], [])


async def test_one_that_goes_on_failing_is_counted_and_said(
    recordings: Recordings, carrier: Carrier
) -> None:
    carrier.failures = 1_000
    with capture_logs() as lines:
        recordings.pauses.ask(CALL, paused=True)
        await recordings.over()
    assert carrier.asked == [f"pause {CALL}"] * 4
    assert (recordings.done, recordings.errors) == ([], ["carrier"])
    assert [(line["call_sid"], line["paused"], line["reason"]) for line in lines] == [
        (CALL, True, "http_503")
    ]


async def test_one_that_is_tried_again_does_not_undo_a_later_one(
    recordings: Recordings, carrier: Carrier
) -> None:
    """Or what the caller says in secret would be recorded."""
    carrier.failures = 1
    carrier.answers.clear()
    recordings.pauses.ask(CALL, paused=False)
    await carrier.until_asked(1)
    recordings.pauses.ask(CALL, paused=True)
    carrier.answers.set()
    await recordings.over()
    assert carrier.asked == [f"resume {CALL}", f"pause {CALL}"]
    assert recordings.errors == []


async def test_a_later_one_does_not_wait_until_an_earlier_one_is_tried_again(
    carrier: Carrier,
) -> None:
    recordings = Recordings(carrier, first_pause_s=3_600.0)
    carrier.failures = 2  # the first wait is none
    recordings.pauses.ask(CALL, paused=False)
    await carrier.until_asked(2)
    recordings.pauses.ask(CALL, paused=True)
    await recordings.over()
    assert carrier.asked[2:] == [f"pause {CALL}"]


async def test_a_pause_and_its_end_in_one_moment_are_both_asked_for(
    recordings: Recordings, carrier: Carrier
) -> None:
    """The carrier refuses to resume what was never paused."""
    recordings.pauses.ask(CALL, paused=True)
    recordings.pauses.ask(CALL, paused=False)
    await recordings.over()
    assert carrier.asked == [f"pause {CALL}", f"resume {CALL}"]
    assert recordings.done == [(CALL, True), (CALL, False)]


async def test_what_the_carrier_has_just_done_is_not_asked_for_again(
    recordings: Recordings, carrier: Carrier
) -> None:
    """Somebody paused, resumed and paused again before the carrier had answered."""
    carrier.answers.clear()
    recordings.pauses.ask(CALL, paused=True)
    await carrier.until_asked(1)
    recordings.pauses.ask(CALL, paused=False)
    recordings.pauses.ask(CALL, paused=True)
    carrier.answers.set()
    await recordings.over()
    assert carrier.asked == [f"pause {CALL}"]


async def test_the_same_wish_is_asked_for_again_where_the_carrier_refused_it(
    recordings: Recordings, carrier: Carrier
) -> None:
    carrier.failures = 1
    carrier.answers.clear()
    recordings.pauses.ask(CALL, paused=True)
    await carrier.until_asked(1)
    recordings.pauses.ask(CALL, paused=True)
    carrier.answers.set()
    await recordings.over()
    assert carrier.asked == [f"pause {CALL}"] * 2
    assert recordings.done == [(CALL, True)]


async def test_calls_do_not_wait_for_each_other(recordings: Recordings, carrier: Carrier) -> None:
    carrier.answers.clear()
    recordings.pauses.ask(CALL, paused=True)
    recordings.pauses.ask(OTHER, paused=True)
    await carrier.until_asked(2)
    assert carrier.asked == [f"pause {CALL}", f"pause {OTHER}"]
    carrier.answers.set()
    await recordings.over()


async def test_a_call_whose_pause_failed_may_be_paused_later(
    recordings: Recordings, carrier: Carrier
) -> None:
    carrier.failures = 4
    for _ in range(2):
        recordings.pauses.ask(CALL, paused=True)
        await recordings.over()
    assert (recordings.done, recordings.errors) == ([(CALL, True)], ["carrier"])
