"""The playback ledger: the truth of what the caller heard, in milliseconds, for each item.

Twilio plays what it is sent strictly in order and echoes a mark when all before it was played, but
also when a `clear` throws it away. So marks carry an epoch, and each `clear` begins a new one.

Positions are milliseconds on one line for each epoch: accepted (from the model) >= sent (to
Twilio) >= heard. An item is a segment of that line, or several: sound is played in the order in
which it came, and a response may go on with an item after it has begun the next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from gateway.limits.call import MARKS_LATE_MAX_MS, MARKS_PENDING_MAX

_FLOAT_ERROR_MS = 1e-3
"""Without it, at the very moment of a deadline, one millisecond would be missing to act on it."""


@dataclass(slots=True)
class Segment:
    """One item's stretch of the line."""

    item_id: str
    start_ms: int
    end_ms: int
    """Grows while the item is being received."""
    before_ms: int = 0
    """How much of the item is in earlier segments."""
    received_ms: float = 0.0
    """What the model sent of the item up to here, without the padding to whole frames: no
    truncation goes beyond it."""
    done: bool = False

    def heard_ms(self, position: int) -> int:
        """Return how much of the item was heard, if no later segment of it has begun."""
        return self.before_ms + max(0, min(position, self.end_ms) - self.start_ms)


@dataclass(frozen=True, slots=True)
class Truncation:
    """How much of an item the caller has heard."""

    item_id: str
    audio_end_ms: int


class PlaybackLedger:
    """Positions of one line of playback, and the items on it."""

    def __init__(self) -> None:
        self.epoch = 0
        self._marks_made = 0
        self._restart()

    def _restart(self) -> None:
        self.accepted_ms = 0
        self.sent_ms = 0
        self._segments: deque[Segment] = deque()
        self._marks: deque[tuple[str, int]] = deque()
        # At `_anchor_at` the caller had heard `_anchor_ms`; from there the clock tells.
        self._anchor_ms = 0
        self._anchor_at = 0.0
        # The same without the marks: since `_run_at` sound has followed on sound.
        self._run_ms = 0
        self._run_at = 0.0

    def accept(self, item_id: str, played_ms: int, received_ms: float) -> None:
        """Add sound of an item: `played_ms` of it in whole frames go to the caller."""
        segment = self._segments[-1] if self._segments else None
        if segment is None or segment.item_id != item_id:
            segment = self._begin_segment(item_id)
        segment.received_ms += received_ms
        self.accepted_ms += played_ms
        segment.end_ms = self.accepted_ms

    def _begin_segment(self, item_id: str) -> Segment:
        segment = Segment(item_id, self.accepted_ms, self.accepted_ms)
        earlier = next((s for s in reversed(self._segments) if s.item_id == item_id), None)
        if earlier is not None:
            segment.before_ms = earlier.heard_ms(earlier.end_ms)
            segment.received_ms = earlier.received_ms
        self._segments.append(segment)
        return segment

    def finish(self, item_id: str) -> None:
        """Mark an item as complete."""
        for segment in self._segments:
            if segment.item_id == item_id:
                segment.done = True

    def finish_all(self) -> None:
        """Mark every item as complete: nothing more comes of any."""
        for segment in self._segments:
            segment.done = True

    def sent(self, ms: int, now: float) -> str:
        """Record that `ms` more went out; return the name of the mark to send behind it."""
        sent_ms = self.sent_ms
        if self._all_played(self._anchor_ms, self._anchor_at, now):
            self._anchor_ms, self._anchor_at = sent_ms, now
        if self._all_played(self._run_ms, self._run_at, now):
            self._run_ms, self._run_at = sent_ms, now
        self.sent_ms = sent_ms + ms
        self._marks_made += 1
        name = f"{self.epoch}:{self._marks_made}"
        if len(self._marks) < MARKS_PENDING_MAX:
            self._marks.append((name, self.sent_ms))
        return name

    def acknowledge(self, name: str, now: float) -> int | None:
        """Take a mark; return the position it stood at, or None for a stale or foreign one."""
        if not self._marks:
            return None
        # Nearly always it is the first.
        if self._marks[0][0] != name and all(name != pending for pending, _ in self._marks):
            return None
        while True:
            pending, position = self._marks.popleft()
            if pending == name:
                break
        self._anchor_ms, self._anchor_at = position, now
        self._forget_heard(position)
        return position

    def _forget_heard(self, position: int) -> None:
        segments = self._segments
        while len(segments) > 1 and segments[0].done and segments[0].end_ms <= position:
            segments.popleft()

    def heard_ms(self, now: float) -> int:
        """Return what was heard: acknowledged, and the time since; never more than was sent."""
        return self._played_ms(self._anchor_ms, self._anchor_at, now)

    def left_ms(self, now: float) -> int:
        """Return how much of what was accepted is still to be heard."""
        return self.accepted_ms - self.heard_ms(now)

    def all_heard(self, now: float) -> bool:
        """Return whether all that was accepted was heard, as `heard_ms` says."""
        return self.sent_ms == self.accepted_ms and self._all_played(
            self._anchor_ms, self._anchor_at, now
        )

    def _all_played(self, from_ms: int, since: float, now: float) -> bool:
        """Return whether `_played_ms` is all that was sent; asked more often than how much."""
        left_ms = self.sent_ms - from_ms
        return left_ms <= 0 or (now - since) * 1000 + _FLOAT_ERROR_MS >= left_ms

    def _played_ms(self, from_ms: int, since: float, now: float) -> int:
        # Comparisons and not `min` or `max`, here and below: this is asked fifty times a second.
        elapsed_ms = int((now - since) * 1000 + _FLOAT_ERROR_MS)
        played_ms = from_ms + elapsed_ms if elapsed_ms > 0 else from_ms
        return min(self.sent_ms, played_ms)

    def acknowledged_ago_s(self, ms: int, now: float) -> float | None:
        """Return how long ago this position was played, if the marks say that it was."""
        if self.sent_ms < ms or (self._marks and self._marks[0][1] <= ms):
            return None
        return max(0, self.heard_ms(now) - ms) / 1000

    def lead_ms(self, now: float) -> int:
        """Return how far what was sent is ahead of the playback clock.

        By the clock alone: marks are late by their way, and who waits for them lets the buffer
        run dry meanwhile. Only when they are much too late, sound must be piling up.
        """
        by_clock = self.sent_ms - self._played_ms(self._run_ms, self._run_at, now)
        by_marks = self.sent_ms - self.heard_ms(now) - MARKS_LATE_MAX_MS
        return max(by_marks, by_clock)

    def dry(self, now: float) -> bool:
        """Return whether the caller's buffer is empty, by the clock."""
        return self._all_played(self._run_ms, self._run_at, now)

    def dry_at(self) -> float:
        """Return when the buffer runs, or ran, dry if nothing more is sent."""
        return self._run_at + (self.sent_ms - self._run_ms) / 1000

    def low_at(self, lead_ms: int) -> tuple[float, float]:
        """Return when no more than `lead_ms` will be left to play: by the clock, and by the marks.

        The later of both counts, as in `lead_ms`.
        """
        sent_ms = self.sent_ms
        by_clock = self._run_at + (sent_ms - self._run_ms) / 1000
        by_marks = self._anchor_at + (sent_ms - self._anchor_ms - MARKS_LATE_MAX_MS) / 1000
        return by_clock - lead_ms / 1000, by_marks - lead_ms / 1000

    @property
    def marks_pending(self) -> int:
        return len(self._marks)

    def settled(self) -> bool:
        """Return whether all that was accepted was sent, and the last mark came back."""
        return not self._marks and self.sent_ms == self.accepted_ms

    def playing(self, now: float) -> Segment | None:
        """Return the item that the caller hears now, or would hear next."""
        heard = self.heard_ms(now)
        for segment in self._segments:
            if segment.end_ms > heard:
                return segment
        return next((s for s in reversed(self._segments) if not s.done), None)

    def item_ids(self) -> list[str]:
        """Return all items of this epoch that are still of interest, each once."""
        return list(dict.fromkeys(segment.item_id for segment in self._segments))

    def in_mid_item(self) -> bool:
        """Return whether the next sound continues an item that the caller began to hear."""
        return any(s.start_ms < self.sent_ms < s.end_ms for s in self._segments)

    def cut(self, now: float) -> list[Truncation]:
        """Begin a new epoch, because the caller broke in; return what each item keeps.

        Nothing was played: nothing to truncate. An item heard to its end keeps all of it.
        Items queued behind the one that was heard keep nothing.
        """
        unheard = self.unheard(now)
        self.epoch += 1
        self._restart()
        return unheard if any(one.audio_end_ms for one in unheard) else []

    def unheard(self, now: float) -> list[Truncation]:
        """Return how much was heard of each item that was not heard to its end."""
        heard = self.heard_ms(now)
        left = {s.item_id for s in self._segments if not s.done or s.end_ms > heard}
        found: dict[str, Truncation] = {}
        for segment in self._segments:
            if segment.item_id not in left:
                continue
            known = found.get(segment.item_id)
            # What was forgotten of the line before the first segment here was heard.
            if known is None or segment.start_ms < heard:
                ms = segment.heard_ms(heard)
            else:
                ms = known.audio_end_ms
            found[segment.item_id] = Truncation(segment.item_id, min(ms, int(segment.received_ms)))
        return list(found.values())
