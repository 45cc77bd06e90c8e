"""Costly starts come one at a time, in order, with a pause between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from gateway import limits
from gateway.bridge.calls.start_pacer import StartPacer


class FrozenTime:
    """A clock that stands still, and what was slept by it."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 6))

    def call_later(self, seconds: float, _begin: Callable[[], None]) -> None:
        self.waits.append(round(seconds, 6))

    def pacer(self) -> StartPacer:
        return StartPacer(lambda: 100.0, self.sleep, self.call_later)


async def test_who_comes_alone_does_not_wait() -> None:
    time = FrozenTime()
    await time.pacer().enter()
    assert not time.waits


async def test_a_burst_starts_one_after_the_other() -> None:
    time = FrozenTime()
    pacer = time.pacer()
    for _ in range(4):
        await pacer.enter()
    assert time.waits == [0.003, 0.006, 0.009]


async def test_a_burst_has_arrived_before_its_second_is_started() -> None:
    time, begun = FrozenTime(), list[int]()
    pacer = time.pacer()
    for number in range(3):
        pacer.let_through(partial(begun.append, number), 0.05)
    assert (time.waits, begun) == ([0.05, 0.053], [0])


async def test_calls_begin_in_the_order_of_their_requests() -> None:
    gate, begun, all_in = StartPacer(), [], asyncio.Event()

    def begin(number: int) -> None:
        begun.append(number)
        if len(begun) == 4:
            all_in.set()

    for number in range(4):
        gate.let_through(partial(begin, number), 0.0)
    assert begun == [0]
    await all_in.wait()
    assert begun == [0, 1, 2, 3]


async def test_when_the_process_stops_nobody_begins_any_more() -> None:
    gate, begun, later = StartPacer(), [], asyncio.Event()
    for number in range(3):
        gate.let_through(partial(begun.append, number), 0.0)
    gate.close()
    asyncio.get_running_loop().call_later(3 * limits.model.START_PAUSE_S, later.set)
    await later.wait()
    assert begun == [0]
