"""The circuit breaker: by a clock that is handed in."""

from __future__ import annotations

from gateway import limits
from gateway.ops.limits.circuit_breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def failing(clock: Clock, changes: list[bool]) -> CircuitBreaker:
    breaker = CircuitBreaker(clock, lambda is_open, _: changes.append(is_open))
    for _ in range(limits.model.BREAKER_FAILURES):
        breaker.failed()
    return breaker


def test_a_few_failures_in_a_row_open_it() -> None:
    breaker, changes = CircuitBreaker(Clock()), []
    for _ in range(limits.model.BREAKER_FAILURES - 1):
        breaker.failed()
    assert not breaker.open
    breaker.worked()
    for _ in range(limits.model.BREAKER_FAILURES - 1):
        breaker.failed()
    assert not breaker.open, "a call that worked begins a new row"
    assert failing(Clock(), changes).open
    assert changes == [True]


def test_it_is_probed_with_growing_pauses() -> None:
    clock, changes = Clock(), []
    breaker, pause_s = failing(clock, changes), limits.model.BREAKER_PROBE_FIRST_S
    for _ in range(8):
        breaker.failed()  # a call that was let in before
        assert not breaker.probe_due
        clock.now += pause_s
        assert breaker.probe_due
        breaker.failed()
        pause_s = min(2 * pause_s, limits.model.BREAKER_PROBE_MAX_S)
    assert changes == [True]


def test_one_that_works_closes_it() -> None:
    changes: list[bool] = []
    breaker = failing(Clock(), changes)
    breaker.worked()
    assert not breaker.open
    assert changes == [True, False]


def test_the_last_failure_says_why_it_opened() -> None:
    told: list[tuple[bool, str]] = []
    breaker = CircuitBreaker(Clock(), lambda *change: told.append(change))
    for code in range(limits.model.BREAKER_FAILURES):
        breaker.failed(f"http_{code}")
    breaker.worked()
    assert told == [(True, f"http_{limits.model.BREAKER_FAILURES - 1}"), (False, "")]


def test_one_that_opens_again_is_probed_as_soon_as_the_first_time() -> None:
    clock, changes = Clock(), list[bool]()
    breaker, first_s = failing(clock, changes), limits.model.BREAKER_PROBE_FIRST_S
    clock.now += first_s
    breaker.failed()
    breaker.worked()
    assert not breaker.probe_due
    breaker.worked()
    assert changes == [True, False], "it is closed once"
    for _ in range(limits.model.BREAKER_FAILURES):
        assert not breaker.open
        breaker.failed()
    assert breaker.open
    clock.now += first_s - 0.001
    assert not breaker.probe_due
    clock.now += 0.001
    assert breaker.probe_due
