"""Places of callers and agents, in this process and over several; the model's rate limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission, RateWatch
from gateway.ops.store.shared import Remote
from gateway.protocols.realtime_server import RateLimit


async def test_so_many_calls_of_one_caller() -> None:
    admission = Admission(2, None)
    await admission.admit("CA1", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)  # asked again: the same call
    with pytest.raises(NotAdmitted, match="caller_busy"):
        await admission.admit("CA3", "+1", "desk", None)
    await admission.admit("CA4", "+2", "desk", None)
    await admission.release("CA1")
    await admission.admit("CA5", "+1", "desk", None)


async def test_so_many_calls_of_one_agent() -> None:
    admission = Admission(None, None)
    await admission.admit("CA1", "+1", "desk", 1)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await admission.admit("CA2", "+2", "desk", 1)
    await admission.admit("CA3", "+2", "other", 1)
    await admission.release("CA1")
    await admission.release("CA1")
    await admission.admit("CA2", "+2", "desk", 1)


class Remembering(Remote):
    """A store that takes its time, and notes down who has a place in it."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.answers.set()

    async def ask(self, question: Callable[[Any], Awaitable[Any]], *, otherwise: Any) -> Any:
        return await question(self)

    async def admit(self, call_sid: str, _rooms: object, _lease_s: float) -> int:
        self.asked.set()
        await self.answers.wait()
        self.held.add(call_sid)
        return 0

    async def free(self, call_sid: str, _names: object) -> None:
        self.held.discard(call_sid)


async def test_one_who_leaves_while_others_are_renewed_keeps_no_place() -> None:
    """Otherwise the caller's next call would be refused as a second one."""
    store = Remembering()
    admission = Admission(1, store)
    await admission.admit("CA1", "+1", "desk", None)
    await admission.admit("CA2", "+2", "desk", None)
    store.answers.clear()
    store.asked.clear()
    renewing = asyncio.create_task(admission.renew())
    await store.asked.wait()
    await admission.release("CA2")
    store.answers.set()
    await renewing
    assert store.held == {"CA1"}


async def test_a_request_that_is_cancelled_takes_no_slot() -> None:
    store = Remembering()
    admission = Admission(1, store)
    store.answers.clear()
    asking = asyncio.create_task(admission.admit("CA1", "+1", "desk", None))
    await store.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    store.answers.set()
    await admission.admit("CA2", "+1", "desk", None)


def test_new_calls_are_shed_before_live_ones_starve() -> None:
    now = [0.0]
    rates = RateWatch(lambda: now[0])
    rates.update((RateLimit("tokens", 40_000, 1_000, 12.0),))
    assert rates.short
    now[0] = 12.1
    assert not rates.short
    rates.update((RateLimit("tokens", 40_000, 1_000, 12.0),))
    rates.update((RateLimit("tokens", 40_000, 30_000, 0.1),))
    assert not rates.short
    rates.update((RateLimit("brand_new", 10, 0, 60.0), RateLimit("requests", None, None)))
    assert not rates.short
