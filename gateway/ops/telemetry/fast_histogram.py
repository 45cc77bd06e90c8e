"""A histogram at a tenth of the library's cost: it is filled twice per frame of every call."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

ADDED_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


_AT_ONCE = 500


class FastHistogram:
    """Observations are kept as they come, and sorted into the buckets some hundreds at a time."""

    __slots__ = ("_sum_s", "_up_to", "_waiting", "bounds", "note")

    def __init__(self, bounds: Sequence[float] = ADDED_BUCKETS_S) -> None:
        self.bounds = tuple(bounds)
        self._up_to = [0] * (len(bounds) + 1)
        self._sum_s = 0.0
        self._waiting: list[float] = []
        self.note = self._waiting.append
        """Takes one observation too; for whoever sees to it that `sort_many` is called."""

    def observe(self, seconds: float) -> None:
        """Take one observation."""
        self._waiting.append(seconds)
        self.sort_many()

    def sort_many(self) -> None:
        """Sort what waits, where it is much."""
        if len(self._waiting) >= _AT_ONCE:
            self._sort()

    def _sort(self) -> None:
        waiting = sorted(self._waiting)
        for at, bound in enumerate(self.bounds):
            self._up_to[at] += bisect_right(waiting, bound)
        self._up_to[-1] += len(waiting)
        self._sum_s += sum(waiting)
        self._waiting.clear()

    @property
    def unsorted(self) -> int:
        """How many observations wait to be sorted."""
        return len(self._waiting)

    @property
    def sum_s(self) -> float:
        """Sum of all observations."""
        return self._sum_s + sum(self._waiting)

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many up to it), as Prometheus wants them."""
        self._sort()
        return list(zip((*map(str, self.bounds), "+Inf"), map(float, self._up_to), strict=True))


class AddedLatency:
    """Time between reading a message and having written its conversion, in each direction."""

    def __init__(self) -> None:
        self.up = FastHistogram()
        self.down = FastHistogram()
