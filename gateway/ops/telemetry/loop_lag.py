"""Lag of the event loop: every caller hears a blocked loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from gateway import limits


async def watch_loop(observe: Callable[[float], None]) -> None:
    """Run until cancelled; report seconds of lag ten times a second."""
    await _LagProbe(observe).run()


class _LagProbe:
    """A timer that sets itself anew: a task that sleeps costs four times as much."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> None:
        self._set()
        try:
            await self._over
        finally:
            self._timer.cancel()

    def _set(self) -> None:
        self._due_at = monotonic() + limits.process.LAG_PROBE_S
        self._timer = self._loop.call_later(limits.process.LAG_PROBE_S, self._look)

    def _look(self) -> None:
        try:
            self._observe(max(0.0, monotonic() - self._due_at))
        except Exception as error:
            self._over.set_exception(error)
        else:
            self._set()
