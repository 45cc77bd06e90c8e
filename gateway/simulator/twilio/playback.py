"""Sound of a telephone line: tracks on a time line, and Twilio's outbound buffer.

Pure: the time is handed in, as samples (8 kHz) since the line was opened, and never runs back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.audio.g711 import CALLER_HZ, MULAW_SILENCE
from gateway.simulator.audio.analysis import milliseconds

OVERFLOW_SAMPLES: Final = 10 * 60 * CALLER_HZ
"""Twilio discards sound beyond ten minutes of buffer (warning 31931)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence between two pieces of sound because the buffer was empty (under-run)."""

    at_ms: float
    length_ms: float


class Track:
    """Mu-law on a time line, played and still to be played."""

    def __init__(self) -> None:
        self._sound = bytearray()

    @property
    def end(self) -> int:
        """End of the last sound."""
        return len(self._sound)

    def add(self, mulaw: bytes, now: int) -> int:
        """Append sound, at the earliest now. Return where it begins."""
        begin = max(self.end, now)
        self._sound += MULAW_SILENCE * (begin - self.end) + mulaw
        return begin

    def cut(self, now: int) -> int:
        """Remove what is not played yet. Return the number of samples."""
        lost = max(self.end - now, 0)
        del self._sound[now:]
        return lost

    def between(self, begin: int, end: int) -> bytes:
        """Return the sound of a span; silence where there is none."""
        return bytes(self._sound[begin:end]).ljust(end - begin, MULAW_SILENCE)


class Playback:
    """Outbound buffer of Twilio: media in order, marks when everything before them was played."""

    def __init__(self) -> None:
        self.track = Track()
        self.gaps: list[Gap] = []
        self.dropped_samples = 0
        self._marks: deque[tuple[int, str]] = deque()
        self._cleared = True

    def media(self, mulaw: bytes, now: int) -> bool:
        """Queue sound. Return False when the buffer is full and it was discarded."""
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
        """Queue a mark. Return True when the buffer is empty and it is to be echoed at once."""
        if self.buffered(now) == 0 and not self._marks:
            return True
        self._marks.append((self.track.end, name))
        return False

    def clear(self, now: int) -> list[str]:
        """Clear the buffer. Return every pending mark: Twilio echoes all of them."""
        self.track.cut(now)
        self._cleared = True
        echoed = [name for _, name in self._marks]
        self._marks.clear()
        return echoed

    def played(self, now: int) -> list[str]:
        """Remove and return the marks that are due, in order."""
        due: list[str] = []
        while self._marks and self._marks[0][0] <= now:
            due.append(self._marks.popleft()[1])
        return due

    @property
    def next_mark(self) -> int | None:
        """Position of the first pending mark."""
        return self._marks[0][0] if self._marks else None

    def buffered(self, now: int) -> int:
        """Return the samples that are queued and not played yet."""
        return max(self.track.end - now, 0)

    def heard(self, now: int) -> bytes:
        """Return everything that was played, silence included."""
        return self.track.between(0, now)
