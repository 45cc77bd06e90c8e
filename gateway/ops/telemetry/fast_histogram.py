"""A histogram at a tenth of the library's cost: it is filled twice per frame of every call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ADDED_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


_AT_ONCE = 500


class FastHistogram:
    """Observations are kept as they come, and sorted into the buckets some hundreds at a time."""

    __slots__ = ("_counts", "_sum_s", "_waiting", "bounds")

    def __init__(self, bounds: Sequence[float] = ADDED_BUCKETS_S) -> None:
        self.bounds = tuple(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum_s = 0.0
        self._waiting: list[float] = []

    def observe(self, seconds: float) -> None:
        """Take one observation."""
        waiting = self._waiting
        waiting.append(seconds)
        if len(waiting) == _AT_ONCE:
            self._sort()

    def _sort(self) -> None:
        buckets = np.searchsorted(self.bounds, self._waiting)
        self._counts += np.bincount(buckets, minlength=len(self._counts))
        self._sum_s += sum(self._waiting)
        self._waiting.clear()

    @property
    def sum_s(self) -> float:
        """Sum of all observations."""
        return self._sum_s + sum(self._waiting)

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many up to it), as Prometheus wants them."""
        self._sort()
        total, buckets = 0, []
        counts = self._counts.tolist()
        for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets


class AddedLatency:
    """Time between reading a message and having written its conversion, in each direction."""

    def __init__(self) -> None:
        self.up = FastHistogram()
        self.down = FastHistogram()
