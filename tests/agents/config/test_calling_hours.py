"""When an agent may call people, by country."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.outbound import Outbound

TUNIS = {"zone": "Africa/Tunis", "mon-sat": "09:00-19:00"}
PARIS = {"zone": "Europe/Paris", "mon-fri": "10:00-20:00"}


def outbound(hours: Any) -> Outbound:
    return Outbound.model_validate({"from": "+14155550100", "hours": hours})


def refusal(hours: Any, number: str, at: datetime) -> str | None:
    found = outbound(hours).hours
    assert found is not None
    return found.refusal(number, at.timestamp())


MONDAY_8 = datetime(2026, 11, 30, 8, 30, tzinfo=UTC)  # 9:30 in Tunis and Paris
SUNDAY = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def test_without_hours_anybody_may_be_called_at_any_time() -> None:
    assert Outbound.model_validate({"from": "+14155550100"}).hours is None


def test_hours_of_one_place_are_for_every_number() -> None:
    assert refusal(TUNIS, "+21671000001", MONDAY_8) is None
    assert refusal(TUNIS, "+33123456789", MONDAY_8) is None
    assert refusal(TUNIS, "+21671000001", SUNDAY) == (
        "That agent may not call that number at this hour: "
        "not until tomorrow, Monday 09:00 (Africa/Tunis)."
    )


def test_the_longest_prefix_counts_and_a_star_is_for_the_rest() -> None:
    hours = {"+216": TUNIS, "+33": PARIS, "+336": TUNIS, "*": PARIS}
    assert refusal(hours, "+21671000001", MONDAY_8) is None
    assert "10:00" in str(refusal(hours, "+33123456789", MONDAY_8))
    assert refusal(hours, "+33612345678", MONDAY_8) is None
    assert "10:00" in str(refusal(hours, "+4915112345678", MONDAY_8))


@pytest.mark.parametrize(
    ("number", "at", "open_then"),
    [
        # One country, two clocks: 14:00 in New York is 9:00 in Honolulu.
        ("+12125550100", datetime(2026, 11, 30, 14, tzinfo=UTC), True),
        ("+18085550100", datetime(2026, 11, 30, 18, 59, tzinfo=UTC), False),
        ("+18085550100", datetime(2026, 11, 30, 19, tzinfo=UTC), True),
        ("+12125550100", datetime(2026, 12, 1, 2, tzinfo=UTC), False),
        # The clocks are put forward, and back, in the night before.
        ("+33123456789", datetime(2026, 3, 29, 6, 59, tzinfo=UTC), False),
        ("+33123456789", datetime(2026, 3, 29, 7, tzinfo=UTC), True),
        ("+33123456789", datetime(2026, 10, 25, 7, 59, tzinfo=UTC), False),
        ("+33123456789", datetime(2026, 10, 25, 8, tzinfo=UTC), True),
        ("+33123456789", datetime(2026, 10, 25, 18, 0, tzinfo=UTC), False),
    ],
)
def test_the_clock_is_the_one_where_the_number_is(
    number: str, at: datetime, *, open_then: bool
) -> None:
    day = {"mon-sun": "09:00-19:00"}
    hours = {
        "+1": {"zone": "America/New_York", "mon-sun": "09:00-21:00"},
        "+1808": {"zone": "Pacific/Honolulu", **day},
        "+33": {"zone": "Europe/Paris", **day},
    }
    assert (refusal(hours, number, at) is None) == open_then


def test_a_number_that_none_fits_is_not_called() -> None:
    assert refusal({"+216": TUNIS}, "+33123456789", MONDAY_8) == (
        "That agent's `outbound.hours` does not have that country."
    )


@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        ("always", "must be an object"),
        ({}, "should have at least 1 item"),
        ({"216": TUNIS}, "name hours with their `zone`, or prefixes"),
        ({"+216": {"mon": "09:00-10:00"}}, "is missing: name a time zone"),
        ({"zone": "Mars/Olympus", "mon": "09:00-10:00"}, "must be a time zone"),
    ],
)
def test_what_is_refused(hours: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        outbound(hours)
