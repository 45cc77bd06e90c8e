"""Parameters of the list of calls."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from gateway.ops.records.history import Position, micros
from gateway.web.api.call_queries import CallQuery, call_query
from gateway.web.api.paging import cursor_of
from gateway.web.http.problems import RequestRefused


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
    "query",
    [
        "state=x",
        "path=x",
        "ending=x",
        "limit=0",
        "since=yesterday",
        "until=9999999",
        "cursor=x",
        "cursor=e30=",
        "cursor=WzEsMl0=",
        f"agent={'x' * 65}",
        f"cursor={'A' * 500}",
    ],
)
def test_what_makes_no_sense_is_refused(query: str) -> None:
    with pytest.raises(RequestRefused):
        asked(query)
