"""The timer of a call follows its core's deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from gateway.bridge.calls.call_clock import CallClock
from gateway.call import commands as do
from gateway.call.context import Out


class Core:
    """A core with a deadline, which each tick replaces by the next of its plan."""

    def __init__(self, deadline: float | None, *then: float | None) -> None:
        self.deadline, self.then = deadline, list(then)
        self.outs: Sequence[Out] = (do.CloseModel(),)
        self.fault: Exception | None = None
        self.ticks: list[float] = []
        self.early: list[float] = []
        self.done = asyncio.Event()
        """Set when a tick has left no deadline."""

    def tick(self, now: float) -> Sequence[Out]:
        self.ticks.append(now)
        if self.deadline is not None and now < self.deadline:
            self.early.append(self.deadline - now)
        self.deadline = self.then.pop(0) if self.then else None
        if self.deadline is None:
            self.done.set()
        if self.fault is not None:
            raise self.fault
        return self.outs


class Call:
    """What a running call has done for its clock; `acted` is set at the first of it."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.executed: list[Sequence[Out]] = []
        self.failed: list[tuple[Exception, float]] = []
        self.acted = asyncio.Event()
        self.clock = CallClock(core, self._execute, self._fail)

    def _execute(self, out: Sequence[Out]) -> None:
        self.executed.append(out)
        if self.core.deadline is None:
            self.acted.set()

    def _fail(self, error: Exception, now: float) -> None:
        self.failed.append((error, now))
        self.acted.set()

    async def until_acted(self) -> None:
        async with asyncio.timeout(10):
            await self.acted.wait()


async def test_the_core_is_woken_at_each_deadline_and_never_before() -> None:
    now = monotonic()
    call = Call(Core(now + 0.02, now + 0.04, now + 0.05))
    call.clock.set_timer()
    await call.until_acted()
    assert (len(call.core.ticks), call.core.early) == (3, [])
    assert call.executed == [call.core.outs] * 3


async def test_a_deadline_that_is_over_is_due_at_once_but_not_inside_the_call() -> None:
    call = Call(Core(monotonic() - 60))
    call.clock.set_timer()
    assert call.core.ticks == []
    # The timers of an event loop fire in order.
    later = asyncio.get_running_loop().call_later(0.5, call.acted.set)
    await call.until_acted()
    later.cancel()
    assert len(call.core.ticks) == 1


async def test_an_earlier_deadline_replaces_the_timer() -> None:
    call = Call(Core(monotonic() + 3600))
    call.clock.set_timer()
    call.core.deadline = monotonic()
    call.clock.set_timer()
    await call.until_acted()
    assert len(call.core.ticks) == 1


async def test_a_later_deadline_leaves_the_timer_which_is_early_once() -> None:
    soon = monotonic() + 0.01
    call = Call(Core(soon, None))
    call.clock.set_timer()
    call.core.deadline = soon + 3600
    call.clock.set_timer()
    await call.until_acted()
    assert len(call.core.early) == 1


async def test_without_a_deadline_nothing_wakes_the_core() -> None:
    call = Call(Core(monotonic()))
    call.clock.set_timer()
    call.core.deadline = None
    call.clock.set_timer()
    # The timers of an event loop fire in order: this one is due after the one that was stopped.
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, passed.set)
    await passed.wait()
    assert call.core.ticks == []


async def test_a_tick_without_commands_executes_nothing() -> None:
    now = monotonic()
    core = Core(now, now)
    core.outs = ()
    call = Call(core)
    call.clock.set_timer()
    async with asyncio.timeout(10):
        await core.done.wait()
    assert (len(core.ticks), call.executed) == (2, [])


async def test_a_core_that_breaks_is_reported_with_the_time_and_not_woken_again() -> None:
    core = Core(monotonic(), monotonic())
    core.fault = RuntimeError("broken")
    call = Call(core)
    call.clock.set_timer()
    await call.until_acted()
    assert call.failed == [(core.fault, core.ticks[0])]
    assert call.executed == []


async def test_a_timer_that_was_replaced_wakes_nobody() -> None:
    now = monotonic()
    call = Call(Core(now + 0.03, now + 0.06))
    call.clock.set_timer()
    call.core.deadline = now
    call.clock.set_timer()
    await call.until_acted()
    assert (len(call.core.ticks), call.core.early) == (2, [])
