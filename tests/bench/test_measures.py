"""The bench's sums: if these are wrong, every figure is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measures import (
    PlaybackClock,
    Spread,
    TransitTimes,
    bucket_percentile,
    percentile,
    spread,
)

_values = st.lists(st.floats(0, 1e6), min_size=1)


@given(_values, st.floats(0.001, 1))
def test_a_percentile_is_numpys(values: list[float], share: float) -> None:
    assert percentile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(spread([[], []]).p99)
    assert math.isnan(bucket_percentile({}, 0.5))
    assert math.isnan(bucket_percentile({0.1: 0.0, math.inf: 0.0}, 0.5))


def test_one_bad_window_is_not_typical_but_its_worst_is_told() -> None:
    calm, stormy = [1.0] * 99 + [2.0], [50.0] * 100
    assert spread([calm, stormy, calm]) == Spread(p50=1.0, p99=1.0, worst=50.0)


def test_a_histogram_is_even_within_a_bucket() -> None:
    buckets = {0.001: 0.0, 0.002: 50.0, 0.004: 100.0, math.inf: 100.0}
    assert bucket_percentile(buckets, 0.25) == pytest.approx(0.0015)
    assert bucket_percentile(buckets, 0.5) == pytest.approx(0.002)
    assert bucket_percentile(buckets, 0.75) == pytest.approx(0.003)


def test_beyond_the_last_bound_only_the_bound_is_known() -> None:
    assert bucket_percentile({0.1: 1.0, math.inf: 100.0}, 0.99) == 0.1


def test_each_frame_that_passed_is_timed() -> None:
    passage = TransitTimes()
    passage.enter(20, now=1.000)
    passage.enter(20, now=1.020)
    assert passage.leave(20, now=1.003) == [pytest.approx(0.003)]
    assert passage.leave(20, now=1.021) == [pytest.approx(0.001)]


def test_frames_may_come_out_together() -> None:
    passage = TransitTimes()
    for number in range(3):
        passage.enter(20, now=number / 50)
    assert passage.leave(60, now=0.05) == [pytest.approx(t) for t in (0.05, 0.03, 0.01)]


def test_a_frame_has_passed_when_all_of_it_is_out() -> None:
    passage = TransitTimes(slack_ms=0.5)
    passage.enter(20, now=0.0)
    assert passage.leave(10, now=0.1) == []
    assert passage.leave(9.6, now=0.2) == [pytest.approx(0.2)]


def test_an_ear_hears_a_hole_only_within_an_answer() -> None:
    playback = PlaybackClock()
    playback.media(200, now=10.0, begins=True)
    playback.media(200, now=10.1, begins=False)
    assert playback.played_at() == pytest.approx(10.4)
    playback.media(20, now=10.45, begins=False)
    assert playback.gaps == 1
    playback.media(20, now=20.0, begins=True)
    assert playback.gaps == 1
    assert playback.played_at() == pytest.approx(20.02)
