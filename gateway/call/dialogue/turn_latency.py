"""Time: for every turn, from the caller's last word to the first sound in his ear."""

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
    """The model said that he stopped."""
    answered_at: float | None = None
    """First sound from the model."""


class TurnLatency:
    def __init__(self) -> None:
        self.count = 0
        self.waits_s: list[float] = []
        self._open: OpenTurn | None = None

    @property
    def waiting(self) -> bool:
        """The caller has spoken, and the model's first sound has not come."""
        return self._open is not None and self._open.answered_at is None

    def stopped(self, stopped_at: float, now: float) -> None:
        """The caller fell silent; if he goes on after all, the next stop takes its place."""
        self._open = OpenTurn(min(stopped_at, now), now)

    def answered(self, now: float) -> None:
        if self._open is not None and self._open.answered_at is None:
            self._open.answered_at = now

    def abandon(self) -> None:
        """The caller spoke again before he heard anything."""
        self._open = None

    def heard(self, sent_at: float, played_at: float) -> TurnMeasured | None:
        """The first sound was played: the turn is complete."""
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
