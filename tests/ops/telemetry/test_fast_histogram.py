"""Observations are sorted late, and nobody notices."""

from __future__ import annotations

import pytest

from gateway.ops.telemetry.fast_histogram import AddedLatency, FastHistogram
from gateway.ops.telemetry.metrics import Metrics


def test_bounds_include_what_is_equal_to_them() -> None:
    histogram = FastHistogram((0.1, 1.0))
    for seconds in (0.1, 0.2, 1.0, 1.1):
        histogram.observe(seconds)
    assert histogram.cumulative() == [("0.1", 1.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert histogram.sum_s == pytest.approx(2.4)


def test_more_than_are_sorted_at_once_are_counted_all() -> None:
    histogram = FastHistogram((0.1,))
    for _ in range(1234):
        histogram.observe(0.05)
    assert histogram.sum_s == pytest.approx(61.7)
    assert histogram.cumulative() == [("0.1", 1234.0), ("+Inf", 1234.0)]
    assert histogram.cumulative() == [("0.1", 1234.0), ("+Inf", 1234.0)], "and none twice"
    assert histogram.sum_s == pytest.approx(61.7)


def test_each_direction_has_its_own() -> None:
    added = AddedLatency()
    added.up.observe(0.001)
    assert added.up.cumulative()[-1] == ("+Inf", 1.0)
    assert added.down.cumulative()[-1] == ("+Inf", 0.0)


def test_what_is_noted_counts_and_is_not_left_lying() -> None:
    added = AddedLatency()
    metrics = Metrics(added)
    for _ in range(700):
        added.up.note(0.0003)
    metrics.on_loop_lag(0.0)
    assert added.up.unsorted == 0
    added.up.note(0.0003)
    assert added.up.unsorted == 1
    assert added.up.cumulative()[-1] == ("+Inf", 701.0)
    assert added.up.sum_s == pytest.approx(0.2103)


def test_observations_are_sorted_five_hundred_at_a_time() -> None:
    histogram = FastHistogram((0.1,))
    for _ in range(499):
        histogram.observe(0.05)
    assert histogram.unsorted == 499
    histogram.observe(0.05)
    assert histogram.unsorted == 0
    for _ in range(500):
        histogram.note(0.05)
    assert histogram.unsorted == 500, "whoever notes sees to it themselves"


def test_bounds_of_the_added_time_stay_as_they_are() -> None:
    """Graphs and rules compare this release with the one before, bound by bound."""
    added = AddedLatency()
    bounds = "0.0001 0.0002 0.0005 0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.5 +Inf"
    for direction in (added.up, added.down):
        assert " ".join(bound for bound, _ in direction.cumulative()) == bounds
