"""How far a session has understood the caller; the next one must hear the rest.

Positions are milliseconds of audio written to the session.
"""

from __future__ import annotations


class ReplayWindow:
    """The part of the session's audio that the next session must hear."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start at zero: another session has a time line of its own."""
        self._open_since: float | None = None
        self._over_at = 0.0
        self._item_id = ""

    @property
    def open(self) -> bool:
        """Whether the caller has said something that was not understood yet, or is saying it."""
        return self._open_since is not None

    @property
    def since_ms(self) -> float:
        """Start of the sound that the next session must hear."""
        return self._over_at if self._open_since is None else self._open_since

    def started(self, at_ms: float, item_id: str) -> None:
        if self._open_since is None:
            self._open_since = max(at_ms, self._over_at)
        self._item_id = item_id

    def stopped(self, at_ms: float) -> None:
        self._over_at = at_ms

    def understood(self, item_id: str, *, speaking: bool) -> None:
        """Close the window of a turn whose words are known."""
        if item_id == self._item_id and not speaking:
            self.close()

    def close(self) -> None:
        """Close the window: the turn was answered, or came to nothing."""
        self._open_since = None
