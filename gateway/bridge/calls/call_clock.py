"""Clock of a running call: wakes its core when something is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from gateway.call.context import Out
from gateway.limits.sockets import TIMER_GRAIN_S


class Timed(Protocol):
    """The call core, as far as its clock sees it; times are readings of `time.monotonic`."""

    @property
    def deadline(self) -> float | None:
        """When something is due next; None while nothing is."""

    def tick(self, now: float) -> Sequence[Out]:
        """Do what is due by now."""


class CallClock:
    """Timer of the event loop that follows the deadline of one call's core."""

    def __init__(
        self,
        machine: Timed,
        execute: Callable[[Sequence[Out]], None],
        fail: Callable[[Exception, float], None],
    ) -> None:
        """`execute` gets what the core returned, `fail` what it raised, with the time."""
        self._machine, self._execute, self._fail = machine, execute, fail
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float
        """When the timer fires; set with it."""

    def set_timer(self) -> None:
        """Set the timer to the core's deadline; to be called whenever that may have changed.

        A timer that is too early is harmless; one that is too late is replaced.
        """
        deadline = self._machine.deadline
        if deadline is None:
            self._stop()
        elif self._timer is None or deadline < self._timer_at:
            self._stop()
            self._timer_at = deadline
            delay_s = max(0.0, deadline - monotonic()) + TIMER_GRAIN_S
            self._timer = self._loop.call_later(delay_s, self._tick)

    def release(self) -> None:
        """The call is over: stop, and let go of it."""
        self._stop()
        self._execute, self._fail = _ignore, _ignore

    def _tick(self) -> None:
        self._timer, now = None, monotonic()
        try:
            out = self._machine.tick(now)
        except Exception as error:
            return self._fail(error, now)
        if out:
            self._execute(out)
        return self.set_timer()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ignore(*_: object) -> None:
    """Nothing is done for a call that is over."""
