"""Twilio's end of the stream as its documentation describes it: an oracle for what is heard."""

from __future__ import annotations

from collections import deque

from gateway.protocols import media_stream


class Telephone:
    """Plays strictly in order; echoes a mark when all before it was played, or at a `clear`."""

    def __init__(self, away_s: float = 0.0, slow: float = 1.0) -> None:
        """`away_s` is how long a message is on its way, there as well as back."""
        self._away_s, self._slow = away_s, slow
        self._ends_at = self._came_ms = 0.0
        self._marks: deque[tuple[str, float]] = deque()
        self.silences_s: list[float] = []
        """Between one sound and the next."""

    def take(self, message: media_stream.FromGateway, now: float) -> None:
        now += self._away_s
        if isinstance(message, media_stream.OutMedia):
            if self._ends_at:
                self.silences_s.append(max(0.0, now - self._ends_at))
            length_s = len(message.media.payload) / 8000
            self._ends_at = max(self._ends_at, now) + length_s * self._slow
            self._came_ms += len(message.media.payload) / 8
        elif isinstance(message, media_stream.OutMark):
            self._marks.append((message.mark.name, max(self._ends_at, now)))
        else:
            self._ends_at, self._came_ms = now, 0.0
            self._marks = deque((name, now) for name, _ in self._marks)

    def depth_s(self, now: float) -> float:
        """How much is still to be played."""
        return max(0.0, self._ends_at - now)

    def heard_ms(self, now: float) -> float:
        """Of all that came since the last `clear`."""
        return self._came_ms - self.depth_s(now) * 1000

    def pending(self) -> list[str]:
        """Names of the marks that were not echoed; from now on they are."""
        names = [name for name, _ in self._marks]
        self._marks.clear()
        return names

    def last_mark(self) -> str:
        return self.pending()[-1]

    def echo_at(self) -> float:
        """When the next mark is due; never while there is none."""
        return self._marks[0][1] + self._away_s if self._marks else float("inf")

    def echo(self) -> str:
        return self._marks.popleft()[0]
