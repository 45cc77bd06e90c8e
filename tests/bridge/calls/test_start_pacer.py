"""Costly starts come one at a time, in order, with room between."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from gateway import limits
from gateway.bridge.calls import start_pacer
from gateway.bridge.calls.start_pacer import StartPacer


@pytest.fixture
async def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, on a clock that stands still."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))

    monkeypatch.setattr(start_pacer, "monotonic", lambda: 100.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda seconds, *_: slept.append(round(seconds, 6)))
    return slept


async def test_who_comes_alone_does_not_wait(waits: list[float]) -> None:
    await StartPacer().enter()
    assert not waits


async def test_a_crowd_goes_through_one_after_the_other(waits: list[float]) -> None:
    gate = StartPacer()
    for _ in range(4):
        await gate.enter()
    assert waits == [0.003, 0.006, 0.009]


async def test_a_crowd_is_let_come_before_its_second_is_served(waits: list[float]) -> None:
    gate, begun = StartPacer(), []
    for number in range(3):
        gate.let_through(lambda number=number: begun.append(number), 0.05)  # type: ignore[misc]
    assert (waits, begun) == ([0.05, 0.053], [0])


async def test_who_is_let_through_begins_in_his_turn() -> None:
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
