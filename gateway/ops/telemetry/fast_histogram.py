"""A histogram at a tenth of the library's cost: it is filled twice per frame of every call."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

ADDED_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class FastHistogram:
    __slots__ = ("bounds", "counts", "sum_s")

    def __init__(self, bounds: Sequence[float] = ADDED_BUCKETS_S) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_s += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many up to it), as Prometheus wants them."""
        total, buckets = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets


class AddedLatency:
    """Time between reading a message and having written its conversion, in each direction."""

    def __init__(self) -> None:
        self.up = FastHistogram()
        self.down = FastHistogram()
