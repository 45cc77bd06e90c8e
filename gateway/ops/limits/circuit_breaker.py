"""A circuit breaker: when the model fails for several calls in a row, others are not kept waiting.

Open, new calls go straight to the next rung, while a probe without a caller looks whether the
model is back.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import limits


class CircuitBreaker:
    """`clock` tells seconds; `changed` is told of every change: open or not, and why."""

    def __init__(
        self, clock: Callable[[], float], changed: Callable[[bool, str], None] = lambda *_: None
    ) -> None:
        self._clock, self._changed = clock, changed
        self._failures = 0
        self._pause_s = limits.model.BREAKER_PROBE_FIRST_S
        self._probe_at: float | None = None

    @property
    def open(self) -> bool:
        return self._probe_at is not None

    @property
    def probe_due(self) -> bool:
        return self._probe_at is not None and self._clock() >= self._probe_at

    def failed(self, reason: str = "") -> None:
        """A call, or a probe, could not have a session: why, as far as it is known."""
        self._failures += 1
        if self.open and not self.probe_due:
            return  # a call that was let in before
        if self.open:
            self._pause_s = min(2 * self._pause_s, limits.model.BREAKER_PROBE_MAX_S)
        elif self._failures >= limits.model.BREAKER_FAILURES:
            self._pause_s = limits.model.BREAKER_PROBE_FIRST_S
            self._changed(True, reason)
        else:
            return
        self._probe_at = self._clock() + self._pause_s

    def worked(self) -> None:
        self._failures = 0
        if self.open:
            self._probe_at = None
            self._changed(False, "")
