"""How often something may be done, by a clock of the test's."""

from __future__ import annotations

import pytest

from gateway.ops.limits.token_bucket import TokenBucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_each_so_often() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 0.5, clock)
    assert [bucket.take(), bucket.take()] == [0.0, 0.0]
    assert bucket.take() == pytest.approx(2.0), "seconds until the next one"
    clock.now += 1.0
    assert bucket.take() == pytest.approx(1.0), "asking takes nothing"
    clock.now += 1.0
    assert bucket.take() == 0.0
    assert bucket.take() == pytest.approx(2.0)


def test_a_long_pause_saves_no_more_than_the_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 10.0, clock)
    clock.now += 3600.0
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, pytest.approx(0.1)]
