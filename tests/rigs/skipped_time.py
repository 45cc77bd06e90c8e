"""An event loop in which waits take no time: its clock goes on to the next timer at once.

A thread or a socket is waited for where no timer runs; beside one, it would find that hours had
passed before it answered.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
NOBODY_S = 60.0
"""Real time after which no thread will have anything to say any more."""


class SkippedTime(asyncio.SelectorEventLoop):
    """Loop with a clock that begins at 0 s and stands still while anything can be done."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """Return seconds."""
        return self.now_s


class _Skipping(selectors.SelectSelector):
    def __init__(self, loop: SkippedTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            ready = super().select(NOBODY_S)
            assert ready, "everybody waits, and for nobody"
            return ready
        self._loop.now_s += max(0.0, timeout)
        return super().select(0.0)


def skipping(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work whose waits take no time."""
    with asyncio.Runner(loop_factory=SkippedTime) as runner:
        return runner.run(work)


def now_s() -> float:
    """Return the seconds that the running loop's clock says."""
    return asyncio.get_running_loop().time()
