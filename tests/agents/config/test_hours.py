"""Opening hours: by the clock on the wall, even in the nights in which it is changed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from gateway.agents.config.hours import Hours

PARIS = {"zone": "Europe/Paris", "mon-fri": "09:00-12:00, 13:00-17:30", "sat": "10:00-12:00"}


def at(text: str, zone: str = "Europe/Paris", fold: int = 0) -> float:
    """Unix time of a moment on the wall."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def hours(**days: str) -> Hours:
    return Hours.model_validate({"zone": "Europe/Paris", **days})


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T08:59:59", False),  # a Monday
        ("2026-11-23T09:00:00", True),
        ("2026-11-23T11:59:59", True),
        ("2026-11-23T12:00:00", False),
        ("2026-11-23T17:29:59", True),
        ("2026-11-23T17:30:00", False),
        ("2026-11-28T10:30:00", True),  # Saturday
        ("2026-11-28T13:30:00", False),
        ("2026-11-29T10:30:00", False),  # Sunday
        ("2026-07-20T09:00:00", True),  # in summer time
    ],
)
def test_by_the_clock_on_the_wall(moment: str, is_open: bool) -> None:
    assert Hours.model_validate(PARIS).open_at(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-23T06:00", "closed until today 09:00 (Europe/Paris)"),
        ("2026-11-23T12:30", "closed until today 13:00 (Europe/Paris)"),
        ("2026-11-23T20:00", "closed until tomorrow, Tuesday 09:00 (Europe/Paris)"),
        ("2026-11-28T12:00", "closed until Monday 09:00 (Europe/Paris)"),
    ],
)
def test_words_for_the_model(moment: str, words: str) -> None:
    assert Hours.model_validate(PARIS).closed_until(at(moment)) == words


def test_a_date_takes_the_place_of_its_day() -> None:
    desk = hours(**{"mon-sun": "08:00-20:00", "2026-12-25": "closed", "2026-12-24": "08:00-13:00"})
    assert desk.open_at(at("2026-12-24T12:59"))
    assert not desk.open_at(at("2026-12-24T13:00"))
    assert not desk.open_at(at("2026-12-25T12:00"))
    assert desk.closed_until(at("2026-12-24T14:00")).startswith("closed until Saturday 08:00")


def test_an_opening_that_is_far_is_told_by_its_date() -> None:
    holidays = {f"2026-12-{day:02}": "closed" for day in range(10, 29)}
    desk = hours(**{"mon-sun": "08:00-20:00", **holidays})
    told = "closed until 2026-12-29 08:00 (Europe/Paris)"
    assert desk.closed_until(at("2026-12-09T21:00")) == told
    assert hours(**{"2026-01-01": "08:00-09:00"}).closed_until(at("2026-12-09T21:00")) == "closed"


def test_a_night_shift_ends_on_the_next_day() -> None:
    night = hours(fri="22:00-06:00")
    for moment, is_open in [
        ("2026-11-27T21:59", False),
        ("2026-11-27T22:00", True),
        ("2026-11-28T05:59", True),
        ("2026-11-28T06:00", False),
        ("2026-11-28T22:30", False),
    ]:
        assert night.open_at(at(moment)) is is_open, moment


def test_all_day_is_without_a_hole() -> None:
    always = hours(**{"mon-sun": "00:00-24:00"})
    assert all(always.open_at(at("2026-10-24T23:00") + 60 * minute) for minute in range(300))
    assert always.opens_after(at("2026-10-24T23:00")) is None


def test_a_range_may_go_over_the_weekend() -> None:
    desk = hours(**{"sat-mon": "10:00-11:00"})
    days = [desk.open_at(at(f"2026-11-{day}T10:30")) for day in range(23, 30)]
    assert days == [True, False, False, False, False, True, True]


# In Paris the clock goes from 2:00 to 3:00 on 29 March 2026, and from 3:00 to 2:00 on 25 October.


def test_in_the_night_that_skips_an_hour() -> None:
    skipped = hours(sun="02:15-02:45")
    before = at("2026-03-29T01:59")
    assert not any(skipped.open_at(before + 60 * minute) for minute in range(180))
    assert skipped.closed_until(before).startswith("closed until 2026-04-05 02:15")
    half = hours(sun="02:30-04:00")
    assert not half.open_at(at("2026-03-29T01:59"))
    assert half.open_at(at("2026-03-29T01:59") + 60), "the clock shows 3:00"
    opening = half.opens_after(before)
    assert opening is not None
    assert (opening.timestamp(), f"{opening:%H:%M}") == (before + 60, "03:00")


def test_in_the_night_that_has_an_hour_twice() -> None:
    twice = hours(sun="02:15-02:45")
    first, second = at("2026-10-25T02:30"), at("2026-10-25T02:30", fold=1)
    assert second - first == 3600
    assert twice.open_at(first)
    assert twice.open_at(second)
    between = at("2026-10-25T02:50")
    assert not twice.open_at(between)
    again = twice.opens_after(between)
    assert again is not None
    assert again.timestamp() == at("2026-10-25T02:15", fold=1)
    leap = hours(sun="01:30-02:30").opens_after(between)
    assert leap is not None
    assert leap.timestamp() == at("2026-10-25T02:00", fold=1), "open again when the clock leaps"


def test_a_zone_whose_clock_leaps_at_midnight() -> None:
    """In Cairo 24 April 2026 begins at 1:00."""
    cairo = Hours.model_validate({"zone": "Africa/Cairo", "fri": "00:30-02:00"})
    opening = cairo.opens_after(at("2026-04-23T23:30", "Africa/Cairo"))
    assert opening is not None
    assert f"{opening:%Y-%m-%d %H:%M}" == "2026-04-24 01:00"


def test_against_every_minute_of_a_year() -> None:
    """The next opening is what a walk minute by minute finds, over both changes of the clock."""
    desk = hours(**{"mon-fri": "08:30-12:00", "sun": "01:45-02:30, 23:00-03:15"})
    for begin in ("2026-03-27T18:00", "2026-10-23T18:00"):
        moment = at(begin)
        for _ in range(12):
            opening = desk.opens_after(moment)
            assert opening is not None
            walk = moment - moment % 60 + 60
            while not (desk.open_at(walk) and not desk.open_at(walk - 60)):
                walk += 60
            assert opening.timestamp() == walk
            moment = walk


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"mon": "09:00-17:00"}, "is missing: name a time zone"),
        ({"zone": "Mars/Olympus", "mon": "09:00-17:00"}, "must be a time zone"),
        ({"zone": "../etc/passwd", "mon": "09:00-17:00"}, "must be a time zone"),
        ({"zone": 5, "mon": "09:00-17:00"}, "must be a time zone"),
        ({"zone": "Europe/Paris"}, "never open"),
        ({"zone": "Europe/Paris", "mon": "closed"}, "never open"),
        ({"zone": "Europe/Paris", "monday": "09:00-17:00"}, "must be a day like mon"),
        ({"zone": "Europe/Paris", "mon-fri": "09:00-17:00", "wed": "closed"}, "wed stands here"),
        ({"zone": "Europe/Paris", "mon": "9-17"}, "must be like"),
        ({"zone": "Europe/Paris", "mon": "09:00-25:00"}, "must be like"),
        ({"zone": "Europe/Paris", "mon": "09:00-24:30"}, "no span of time"),
        ({"zone": "Europe/Paris", "mon": "09:00-09:00"}, "no span of time"),
        ({"zone": "Europe/Paris", "mon": "09:00-12:00, 11:00-13:00"}, "overlap"),
        ({"zone": "Europe/Paris", "2026-13-01": "09:00-12:00"}, "is no date"),
        ({"zone": "Europe/Paris", "mon": None}, "must be like"),
        ("always", "must be an object"),
    ],
)
def test_what_is_wrong_is_refused(value: object, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Hours.model_validate(value)
