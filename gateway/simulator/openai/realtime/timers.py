"""Timers without a clock: whoever owns the clock asks what is due."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class SimTimer:
    """Something to be done later, unless it is cancelled."""

    __slots__ = ("_action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self._action = None

    @property
    def live(self) -> bool:
        return self._action is not None

    def fire(self) -> None:
        action, self._action = self._action, None
        if action:
            action()


class SimTimers:
    """Seconds on a clock that is handed in."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SimTimer]] = []
        self._order = count()

    def at(self, when_s: float, action: Callable[[], None]) -> SimTimer:
        timer = SimTimer(action)
        heapq.heappush(self._heap, (when_s, next(self._order), timer))
        return timer

    def due(self) -> float | None:
        """When the next one wants to be run."""
        while self._heap and not self._heap[0][2].live:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now_s: float) -> tuple[float, SimTimer] | None:
        """The next one whose time has come, with the time it was meant for."""
        due = self.due()
        if due is None or due > now_s:
            return None
        when_s, _, timer = heapq.heappop(self._heap)
        return when_s, timer
