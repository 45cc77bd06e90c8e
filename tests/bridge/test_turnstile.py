"""Costly starts come one at a time, in order, with room between."""

from __future__ import annotations

import asyncio

import pytest

from gateway.bridge import turnstile
from gateway.bridge.turnstile import Turnstile


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, on a clock that stands still."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))

    monkeypatch.setattr(turnstile, "monotonic", lambda: 100.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_who_comes_alone_does_not_wait(waits: list[float]) -> None:
    await Turnstile().enter()
    assert not waits


async def test_a_crowd_goes_through_one_after_the_other(waits: list[float]) -> None:
    gate = Turnstile()
    for _ in range(4):
        await gate.enter()
    assert waits == [0.003, 0.006, 0.009]


async def test_a_crowd_is_let_come_before_its_second_is_served(waits: list[float]) -> None:
    gate = Turnstile()
    for _ in range(3):
        await gate.enter(0.05)
    assert waits == [0.05, 0.053]
