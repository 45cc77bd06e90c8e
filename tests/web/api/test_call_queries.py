"""Parameters of the list of calls."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from gateway import limits
from gateway.ops.records.history import Position, micros
from gateway.web.api.call_queries import CallQuery, call_query
from gateway.web.api.paging import cursor_of, first_cursor
from gateway.web.http.problems import RequestRefused

PAGE = "There is no such page: begin with the first one."


def asked(query: str) -> CallQuery:
    return call_query(Request({"type": "http", "query_string": query.encode(), "headers": []}))


def test_nothing_asked_is_everything() -> None:
    query = asked("")
    assert (query.state, query.limit, query.after) == (None, 100, None)
    assert (query.calls.agent, query.calls.caller, query.calls.since_us) == ("", "", None)


def test_every_filter() -> None:
    query = asked(
        "state=ended&agent=desk&path=sip&ending=model_lost&caller=%2B15550100"
        "&since=2026-09-21T14:00:00Z&until=2026-09-21T16:00:00%2B01:00&limit=7"
    )
    calls = query.calls
    assert (query.state, query.limit) == ("ended", 7)
    assert (calls.agent, calls.path, calls.ending) == ("desk", "sip", "model_lost")
    assert calls.caller == "+15550100"
    assert calls.since_us == micros("2026-09-21T14:00:00+00:00")
    assert calls.until_us == micros("2026-09-21T15:00:00+00:00")


def test_empty_parameters_ask_for_nothing() -> None:
    """As the form of a page sends the fields that were not filled in."""
    assert asked("state=&agent=&path=&ending=&since=&until=&caller=&cursor=") == asked("")


def test_a_cursor_is_the_position_it_was_made_of() -> None:
    position = Position(1_790_000_000_250_000, "CA-x/\u00e9")
    assert asked(f"cursor={cursor_of(position)}").after == position


@pytest.mark.parametrize(
    ("query", "status", "why"),
    [
        ("state=x", 422, "state is live or ended."),
        ("path=x", 422, "path is one of media-streams, sip, browser."),
        ("ending=x", 422, "There is no such ending."),
        ("limit=0", 422, "limit is a number from 1 to 500."),
        ("limit=501", 422, "limit is a number from 1 to 500."),
        ("limit=", 422, "limit is a number from 1 to 500."),
        ("limit=-1", 422, "limit is a number from 1 to 500."),
        ("since=yesterday", 422, "since is a time like 2026-12-25T09:00:00Z."),
        ("until=9999999", 422, "until is a time like 2026-12-25T09:00:00Z."),
        ("cursor=x", 404, PAGE),
        ("cursor=e30=", 404, PAGE),
        ("cursor=WzEsMl0=", 404, PAGE),
        (f"cursor={cursor_of(Position(-1, ''))}", 404, PAGE),
        (f"cursor={cursor_of(Position((1 << 62) + 1, ''))}", 404, PAGE),
        (f"cursor={cursor_of(Position(1, 'x' * 500))}", 404, PAGE),
        (f"agent={'x' * 65}", 422, "agent may have 64 characters."),
        (
            f"caller={'1' * (limits.database.CALLER_MAX_CHARS + 1)}",
            422,
            f"caller may have {limits.database.CALLER_MAX_CHARS} characters.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(query: str, status: int, why: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        asked(query)
    assert (refused.value.status, refused.value.detail) == (status, why)


def test_what_is_just_within_the_bounds_is_taken() -> None:
    assert asked("limit=1").limit == 1
    assert asked("limit=500").limit == 500
    assert asked(f"agent={'x' * 64}").calls.agent == "x" * 64
    longest = "1" * limits.database.CALLER_MAX_CHARS
    assert asked(f"caller={longest}").calls.caller == longest
    for place in (Position(0, ""), Position(1 << 62, "")):
        assert asked(f"cursor={cursor_of(place)}").after == place
    assert asked(f"cursor={first_cursor()}").after == Position(1 << 62, "")


def test_a_time_without_a_zone_is_in_utc_and_a_null_byte_is_none() -> None:
    assert asked("since=2026-09-21T14:00:00").calls.since_us == micros("2026-09-21T14:00:00+00:00")
    assert asked("agent=a%00b").calls.agent == "a\ufffdb"
    assert cursor_of(None) is None
