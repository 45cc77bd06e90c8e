"""Statistics of the bench: percentiles, transit times, and gaps in playback."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HEARD_GAP_MIN_MS = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Three numbers that describe many."""

    p50: float
    p99: float
    worst: float


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that `share` of them do not exceed; NaN of nothing."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def spread(windows: Sequence[Sequence[float]]) -> Spread:
    """Medians over the windows of what was typical and late in each; the worst of all."""
    full = [values for values in windows if values]
    if not full:
        return Spread(math.nan, math.nan, math.nan)
    return Spread(
        statistics.median(percentile(values, 0.5) for values in full),
        statistics.median(percentile(values, 0.99) for values in full),
        max(map(max, full)),
    )


def bucket_percentile(buckets: Mapping[float, float], share: float) -> float:
    """From a cumulative histogram, taken as even within a bucket; NaN of nothing."""
    total = max(buckets.values(), default=0.0)
    if not total:
        return math.nan
    below, counted = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= share * total:
            inside = (share * total - counted) / (count - counted)
            return below + inside * (bound - below) if math.isfinite(bound) else below
        below, counted = bound, count
    return below


class TransitTimes:
    """Match sound that went in with sound that came out, by its place in the stream.

    Whole frames need not come out as they went in: a frame has passed when all of it is out,
    give or take a resampler's first samples.
    """

    __slots__ = ("_in_ms", "_out_ms", "_slack_ms", "_waiting")

    def __init__(self, slack_ms: float = 1.0) -> None:
        self._slack_ms = slack_ms
        self._in_ms = self._out_ms = 0.0
        self._waiting: deque[tuple[float, float]] = deque()

    def enter(self, ms: float, now: float) -> None:
        self._in_ms += ms
        self._waiting.append((self._in_ms, now))

    def leave(self, ms: float, now: float) -> list[float]:
        """Seconds on the way, of each frame that has passed with this."""
        self._out_ms += ms
        reached, passed = self._out_ms + self._slack_ms, []
        while self._waiting and self._waiting[0][0] <= reached:
            passed.append(now - self._waiting.popleft()[1])
        return passed


class PlaybackClock:
    """Clock of the caller's playback: sound plays in order and without a pause."""

    __slots__ = ("_dry_at", "gaps")

    def __init__(self) -> None:
        self._dry_at = 0.0
        self.gaps = 0

    def media(self, ms: float, now: float, *, begins: bool) -> None:
        """Sound came in; it `begins` an answer, or continues one that must not pause."""
        if not begins and (now - self._dry_at) * 1000 > _HEARD_GAP_MIN_MS:
            self.gaps += 1
        self._dry_at = max(now, self._dry_at) + ms / 1000

    def played_at(self) -> float:
        """When all that came in will have been heard: a mark's time."""
        return self._dry_at
