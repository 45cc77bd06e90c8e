"""A circuit breaker: after several calls in a row without the model, new callers need not wait.

While it is open, new calls take the next failover step, and a probe without a caller looks whether
the model is reachable again.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import limits


class CircuitBreaker:
    """Open after several failures in a row, closed by the first success.

    `clock` is monotonic seconds. `on_change` gets whether it is open now, and the reason.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        on_change: Callable[[bool, str], None] = lambda *_: None,
        *,
        failures_max: int = limits.model.BREAKER_FAILURES,
    ) -> None:
        self._clock, self._on_change, self._failures_max = clock, on_change, failures_max
        self._failures = 0
        self._pause_s = limits.model.BREAKER_PROBE_FIRST_S
        self._probe_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether new calls are kept from the model."""
        return self._probe_at is not None

    @property
    def probe_due(self) -> bool:
        """Whether it is time for a probe."""
        return self._probe_at is not None and self._clock() >= self._probe_at

    def failed(self, reason: str = "") -> None:
        """Count a call or a probe that got no session, with the reason as far as it is known."""
        self._failures += 1
        if self.open and not self.probe_due:
            return  # a call from before the breaker opened
        if self.open:
            self._pause_s = min(2 * self._pause_s, limits.model.BREAKER_PROBE_MAX_S)
        elif self._failures >= self._failures_max:
            self._pause_s = limits.model.BREAKER_PROBE_FIRST_S
            self._on_change(True, reason)
        else:
            return
        self._probe_at = self._clock() + self._pause_s

    def worked(self) -> None:
        """Close the breaker: a call or a probe got a session."""
        self._failures = 0
        if self.open:
            self._probe_at = None
            self._on_change(False, "")
