"""How long the caller waits in each turn, from their last word to the first sound they hear."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import limits
from gateway.call.events import TurnMeasured


@dataclass(slots=True)
class OpenTurn:
    """Moments of one turn, by our clock."""

    stopped_at: float
    """The caller's last speech."""
    noticed_at: float
    """When the model said that the caller stopped."""
    answered_at: float | None = None
    """First sound from the model."""


class TurnLatency:
    """The wait of each turn, and its stages."""

    def __init__(self, waits_s: list[float] | None = None) -> None:
        """`waits_s` takes the wait of each turn."""
        self.count = 0
        self.waits_s: list[float] = [] if waits_s is None else waits_s
        self._open: OpenTurn | None = None

    @property
    def waiting(self) -> bool:
        """The caller has spoken, and the model's first sound has not come."""
        return self._open is not None and self._open.answered_at is None

    def stopped(self, stopped_at: float, now: float) -> None:
        """Open a turn: the caller fell silent; if they go on, the next stop replaces it."""
        self._open = OpenTurn(min(stopped_at, now), now)

    def answered(self, now: float) -> None:
        if self._open is not None and self._open.answered_at is None:
            self._open.answered_at = now

    def abandon(self) -> None:
        """Drop the turn: the caller spoke again before hearing anything."""
        self._open = None

    def heard(self, sent_at: float, played_at: float) -> TurnMeasured | None:
        """Complete the turn: its first sound was played."""
        turn, self._open = self._open, None
        if turn is None or turn.answered_at is None:
            return None
        played_at = max(played_at, sent_at)
        self.count += 1
        measured = TurnMeasured(
            number=self.count,
            wait_s=played_at - turn.stopped_at,
            detection_s=turn.noticed_at - turn.stopped_at,
            model_s=turn.answered_at - turn.noticed_at,
            gateway_s=sent_at - turn.answered_at,
            playback_s=played_at - sent_at,
        )
        if len(self.waits_s) < limits.call.TURNS_KEPT_MAX:
            self.waits_s.append(measured.wait_s)
        return measured
