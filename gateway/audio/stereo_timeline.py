"""One time line of a call in samples: left the caller, right what was really played to them.

Twilio sends the caller's frames with the time at which each stands in the stream, and plays what
it gets strictly in order: at once where its buffer is empty, else behind what is there. A `clear`
throws away what it has not played. So from what was sent, and when, it follows what was played;
a mark that comes back gives the round trip time.

What is written is final: nothing younger than `SETTLED_AFTER_MS`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.audio.g711 import CALLER_HZ, MULAW_BYTES_PER_MS, MULAW_SILENCE
from gateway.limits import recordings as limits

CALLER, PLAYED, MARKED, ACKNOWLEDGED, CLEARED, KEEP, KEY, PAUSED, RESUMED, LOST = range(10)
"""Kinds of entries."""

Entry = tuple[int, float, Any]
"""Kind, monotonic time in seconds, and what belongs to it:

- `CALLER`: the frame's timestamp in ms of the stream, as text, and its mu-law
- `PLAYED`: mu-law that was sent; `MARKED`, `ACKNOWLEDGED`: a mark's name
- `KEEP`: the moment from which on all is kept; `LOST`: since when entries are missing
"""

_SETTLED: Final = limits.SETTLED_AFTER_MS * MULAW_BYTES_PER_MS
_LATE: Final = limits.CALLER_LATE_MAX_MS * MULAW_BYTES_PER_MS
_AHEAD: Final = limits.CALLER_AHEAD_MAX_MS * MULAW_BYTES_PER_MS
_KEY_BEFORE: Final = limits.KEY_BEFORE_MS * MULAW_BYTES_PER_MS
_KEY_AFTER: Final = limits.KEY_AFTER_MS * MULAW_BYTES_PER_MS
_DRIFT_S_PER_FRAME: Final = 2e-6
_MAX_SAMPLES: Final = round(limits.RECORDING_MAX_S * CALLER_HZ)


@dataclass(frozen=True, slots=True)
class RecordingMark:
    """A stretch of a recording in which sound is missing; positions in samples."""

    kind: str
    """`paused`, or `gap`: sound was lost, or the call was on its way to another process."""
    start: int
    end: int | None
    """None while it lasts."""


@dataclass(slots=True)
class _Run:
    """Sound that follows on sound in the carrier's buffer."""

    sent_at: float
    sound: bytearray = field(default_factory=bytearray)
    start: int | None = None
    """Position of its first sample; decided late, when the delay of marks is known."""
    written: int = 0
    """How many of its samples have been taken off its beginning."""


class StereoTimeline:
    """Both directions of one stream on one line, of which settled parts are given out."""

    def __init__(self) -> None:
        self._began: float | None = None
        """When the stream began, by the clock: position 0."""
        self._left = bytearray()
        self._done = 0
        """Everything before this position was written, or was not to be kept."""
        self._kept_from: int | None = None
        self._runs: deque[_Run] = deque()
        self._played_to = 0
        """Where the sound ends that was taken off the runs."""
        self._dry_at = 0.0
        """When the carrier's buffer runs dry, by the clock, if the network took no time."""
        self._delay_s: float | None = None
        self._pending: dict[str, float] = {}
        """Marks that are not back, and when each would be if the network took no time."""
        self._pauses: deque[tuple[int, int]] = deque()
        self._paused_at: int | None = None
        self._keys: deque[tuple[int, int]] = deque()
        self._marks: list[RecordingMark] = []

    # --- What happened ---

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries, in the order in which they happened."""
        for kind, now, value in entries:
            if kind == CALLER:
                self._hear(now, *value)
            elif kind == PLAYED:
                self._play(now, value)
            elif kind == MARKED:
                if len(self._pending) < limits.MARKS_MAX:
                    self._pending[value] = self._dry_at
            elif kind == ACKNOWLEDGED:
                self._acknowledge(now, value)
            elif kind == CLEARED:
                self._clear(now)
            else:
                self._control(kind, now, value)

    def _control(self, kind: int, now: float, value: Any) -> None:
        at = self._position(now)
        if kind == KEEP and self._kept_from is None:
            self._kept_from = max(self._done, self._position(value))
        elif kind == KEY:
            self._keys.append((at - _KEY_BEFORE, at + _KEY_AFTER))
        elif kind == PAUSED and self._paused_at is None:
            self._paused_at = max(self._done, at)
            self._mark("paused", self._paused_at, None)
        elif kind == RESUMED and self._paused_at is not None:
            pause, self._paused_at = (self._paused_at, max(self._paused_at, at)), None
            self._pauses.append(pause)
            self._mark("paused", *pause)
        elif kind == LOST:
            self._mark("gap", max(self._done, self._position(value)), max(self._done, at))

    def _position(self, at: float) -> int:
        """Return where a moment of the clock stands on the line."""
        return 0 if self._began is None else max(0, round((at - self._began) * CALLER_HZ))

    def _hear(self, now: float, timestamp: str, mulaw: bytes) -> None:
        """Put a frame at its own time; one whose time cannot be follows on the one before."""
        start, left_end = int(timestamp) * MULAW_BYTES_PER_MS, self._done + len(self._left)
        began = now - (start + len(mulaw)) / CALLER_HZ
        if self._began is None:
            # Whatever the first frame says: the line begins with it, or a little before.
            self._began = max(began, now - limits.CALLER_AHEAD_MAX_MS / 1000)
        elif began >= self._began:
            # It was under way for longer than the quickest frame so far; and the clocks drift.
            self._began += min(_DRIFT_S_PER_FRAME, began - self._began)
        elif self._began - began <= limits.CALLER_AHEAD_MAX_MS / 1000:
            self._began = began
        if start > self._position(now) + _AHEAD:
            start = left_end
        if start < self._done or left_end > _MAX_SAMPLES:
            return  # too late: silence was written there
        if start > left_end:
            self._left += MULAW_SILENCE * (start - left_end)
        self._left[start - self._done : start - self._done + len(mulaw)] = mulaw

    def _play(self, now: float, mulaw: bytes) -> None:
        if now >= self._dry_at or not self._runs:
            self._runs.append(_Run(now))
            self._dry_at = now
        if self._done < _MAX_SAMPLES:
            self._runs[-1].sound += mulaw
        self._dry_at += len(mulaw) / CALLER_HZ

    def _acknowledge(self, now: float, name: str) -> None:
        due_at = self._pending.pop(name, None)
        if due_at is None:
            return
        delay_s = max(0.0, now - due_at)
        if delay_s <= limits.DELAY_MAX_S and (self._delay_s is None or delay_s < self._delay_s):
            self._delay_s = delay_s

    def _clear(self, now: float) -> None:
        """Drop what was not played: a `clear` takes as long to the carrier as sound does."""
        self._pending.clear()
        self._dry_at = min(self._dry_at, now)
        if self._runs:
            run = self._runs[-1]
            played = round((now - run.sent_at) * CALLER_HZ) - run.written
            del run.sound[max(0, played) :]

    # --- What is settled ---

    @property
    def kept_from_s(self) -> float | None:
        """Return when what is kept begins, by the clock."""
        if self._kept_from is None or self._began is None:
            return None
        return self._began + self._kept_from / CALLER_HZ

    def take_marks(self) -> list[RecordingMark]:
        """Return the marks since the last time; one that has ended is there again.

        A pause may be empty: then it only says that the one before it has ended.
        """
        taken, self._marks = self._marks, []
        return taken

    def settled(self, now: float) -> bytes:
        """Return what has settled since the last time: mu-law, left and right in turn."""
        until, left_end = self._position(now) - _SETTLED, self._done + len(self._left)
        return self._give_out(max(min(until, left_end), until - _LATE))

    def end(self, now: float) -> bytes:
        """Return all the rest: the stream is over."""
        given = self._give_out(max(self._done + len(self._left), self._position(now)))
        if self._paused_at is not None:
            self._mark("paused", self._paused_at, self._done)
        return given

    def _give_out(self, until: int) -> bytes:
        until = min(until, _MAX_SAMPLES)
        kept_from = until if self._kept_from is None else min(until, self._kept_from)
        if kept_from > self._done:
            self._take(kept_from)
        return self._take(until) if until > self._done else b""

    def _take(self, until: int) -> bytes:
        begin, size = self._done, until - self._done
        left = self._left[:size].ljust(size, MULAW_SILENCE)
        del self._left[:size]
        right = self._take_right(begin, until)
        for start, end in self._pauses:
            _blank(left, start - begin, end - begin)
            _blank(right, start - begin, end - begin)
        if self._paused_at is not None:
            _blank(left, self._paused_at - begin, size)
            _blank(right, self._paused_at - begin, size)
        for start, end in self._keys:
            _blank(left, start - begin, end - begin)
        self._done = until
        for spans in (self._pauses, self._keys):
            while spans and spans[0][1] <= until:
                spans.popleft()
        both = bytearray(2 * size)
        both[0::2], both[1::2] = left, right
        return bytes(both)

    def _take_right(self, begin: int, until: int) -> bytearray:
        right = bytearray(MULAW_SILENCE * (until - begin))
        while self._runs:
            run = self._runs[0]
            if run.start is None:
                delay_s = self._delay_s or 0.0
                run.start = max(self._played_to, begin, self._position(run.sent_at + delay_s))
            at = max(begin, run.start + run.written)
            run.start = at - run.written
            if at < until:
                # Nothing, if it has all been played: then more may follow, or another run.
                taken = run.sound[: until - at]
                right[at - begin : at - begin + len(taken)] = taken
                del run.sound[: len(taken)]
                run.written += len(taken)
                self._played_to = max(self._played_to, at + len(taken))
            if run.sound or len(self._runs) == 1:
                break
            self._runs.popleft()
        return right

    def _mark(self, kind: str, start: int, end: int | None) -> None:
        kept = self._kept_from
        if kept is None or len(self._marks) >= limits.MARKED_MAX:
            return
        start, end = max(0, start - kept), None if end is None else end - kept
        # An empty pause was marked when it began: without an end it would go on.
        if end is None or end > start or (kind == "paused" and end == start):
            self._marks.append(RecordingMark(kind, start, end))


def _blank(sound: bytearray, start: int, end: int) -> None:
    start, end = max(0, start), min(len(sound), end)
    if end > start:
        sound[start:end] = MULAW_SILENCE * (end - start)
