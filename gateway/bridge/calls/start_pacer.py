"""Pacing of work that blocks the event loop for milliseconds: one start at a time, with pauses.

A connection to the model costs about as much as a hundred frames of audio. Two hundred of them in
a row would be a second in which no caller hears anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from time import monotonic

from gateway import limits


def _call_later(after_s: float, begin: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(after_s, begin)


class StartPacer:
    """Spreads starts in time, in the order in which they were asked for."""

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        call_later: Callable[[float, Callable[[], None]], object] = _call_later,
    ) -> None:
        self._clock, self._sleep, self._call_later = clock, sleep, call_later
        self._free_at = -inf
        self._closed = False

    async def enter(self) -> None:
        """Wait for a turn; return at once when nobody came just before."""
        wait_s = self._wait_s(0.0)
        if wait_s:
            await self._sleep(wait_s)

    def let_through(self, begin: Callable[[], None], crowd_s: float) -> None:
        """Call `begin` when its turn comes, at once or by a timer.

        One of a burst waits for at least `crowd_s`, so that all of the burst arrive first.
        """
        wait_s = self._wait_s(crowd_s)
        if wait_s:
            self._call_later(wait_s, partial(self._begin, begin))
        else:
            self._begin(begin)

    def close(self) -> None:
        """Start nothing any more, since the process stops."""
        self._closed = True

    def _begin(self, begin: Callable[[], None]) -> None:
        if not self._closed:
            begin()

    def _wait_s(self, crowd_s: float) -> float:
        now = self._clock()
        at = max(self._free_at, now + crowd_s) if self._free_at > now else now
        self._free_at = at + limits.model.START_PAUSE_S
        return at - now
