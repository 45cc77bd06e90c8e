"""What a telephone line has carried: sound laid on a time line, and Twilio's outbound buffer.

Pure: the time is handed in, as samples (8 kHz) since the line was opened, and never runs back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.audio.g711 import CALLER_HZ, MULAW_SILENCE
from gateway.simulator.audio.analysis import milliseconds

OVERFLOW_SAMPLES: Final = 10 * 60 * CALLER_HZ
"""Twilio discards what would make its buffer longer than ten minutes (warning 31931)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A silence between two pieces of sound: the buffer had run dry."""

    at_ms: float
    length_ms: float


class Track:
    """Mu-law on a time line: what was said up to now, and what is yet to be said."""

    def __init__(self) -> None:
        self._sound = bytearray()

    @property
    def end(self) -> int:
        """Where the last sound laid down ends."""
        return len(self._sound)

    def add(self, mulaw: bytes, now: int) -> int:
        """Lays sound behind what is there already, or from now on. Returns where it begins."""
        begin = max(self.end, now)
        self._sound += MULAW_SILENCE * (begin - self.end) + mulaw
        return begin

    def cut(self, now: int) -> int:
        """Takes away what has not been said yet. Returns how many samples that was."""
        lost = max(self.end - now, 0)
        del self._sound[now:]
        return lost

    def between(self, begin: int, end: int) -> bytes:
        """The sound of a span; silence where there is none."""
        return bytes(self._sound[begin:end]).ljust(end - begin, MULAW_SILENCE)


class Playback:
    """Twilio's outbound buffer: media in order, marks when all before them was played."""

    def __init__(self) -> None:
        self.track = Track()
        self.gaps: list[Gap] = []
        self.dropped_samples = 0
        self._marks: deque[tuple[int, str]] = deque()
        self._cleared = True

    def media(self, mulaw: bytes, now: int) -> bool:
        """Queues sound. False when it was discarded, the buffer being full."""
        if self.buffered(now) + len(mulaw) > OVERFLOW_SAMPLES:
            self.dropped_samples += len(mulaw)
            return False
        dry = now - self.track.end
        if dry > 0 and not self._cleared:
            self.gaps.append(Gap(milliseconds(self.track.end), milliseconds(dry)))
        self.track.add(mulaw, now)
        self._cleared = False
        return True

    def mark(self, name: str, now: int) -> bool:
        """Queues a mark. True when the buffer is empty, so that it is to be echoed at once."""
        if self.buffered(now) == 0 and not self._marks:
            return True
        self._marks.append((self.track.end, name))
        return False

    def clear(self, now: int) -> list[str]:
        """Empties the buffer. Returns every pending mark: all are echoed, played or not."""
        self.track.cut(now)
        self._cleared = True
        echoed = [name for _, name in self._marks]
        self._marks.clear()
        return echoed

    def played(self, now: int) -> list[str]:
        """The marks that have come due, in order."""
        due: list[str] = []
        while self._marks and self._marks[0][0] <= now:
            due.append(self._marks.popleft()[1])
        return due

    @property
    def next_mark(self) -> int | None:
        """When the first pending mark comes due."""
        return self._marks[0][0] if self._marks else None

    def buffered(self, now: int) -> int:
        """Samples queued and not yet played."""
        return max(self.track.end - now, 0)

    def heard(self, now: int) -> bytes:
        """All that has come out of the receiver, silence included."""
        return self.track.between(0, now)
