"""When to try again for a session of the model's: bounded, with growing pauses.

A try has succeeded when the session is confirmed; a session that does not last begins no new
count.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway import limits


class ReconnectPolicy:
    """Count the tries, and say how long to wait before the next one."""

    def __init__(self, now: float, pauses_s: Sequence[float]) -> None:
        """`pauses_s` are the waits before each further try, as many as there may be."""
        self._pauses_s = pauses_s
        self._tries = 0
        self._began_at = now
        self._ready_at: float | None = None

    def confirmed(self, now: float) -> None:
        self._ready_at = now

    def next_pause_s(self, now: float) -> float | None:
        """Return how long to wait before the next try; None when there have been enough."""
        ready_at, self._ready_at = self._ready_at, None
        if ready_at is not None and now - ready_at >= limits.model.MODEL_STEADY_S:
            self._tries = 0
        if ready_at is not None:
            self._began_at = now
        if (
            self._tries >= len(self._pauses_s)
            or now - self._began_at >= limits.model.MODEL_GIVE_UP_S
        ):
            return None
        pause_s = self._pauses_s[self._tries]
        self._tries += 1
        return pause_s
