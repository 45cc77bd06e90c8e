"""Pages of a list: their length, and the cursor to the next one."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from gateway import limits
from gateway.ops.records.history import Position
from gateway.web.api.paging import (
    cursor_of,
    first_cursor,
    limit_of,
    page_parameters,
    position_of,
)
from gateway.web.http.problems import RequestRefused


def request(**query: str) -> Request:
    return Request({"type": "http", "query_string": urlencode(query).encode(), "headers": []})


@pytest.mark.parametrize(("asked", "limit"), [({}, 20), ({"limit": "1"}, 1), ({"limit": "50"}, 50)])
def test_the_length_of_a_page(asked: dict[str, str], limit: int) -> None:
    assert limit_of(request(**asked), 20, 50) == limit


@pytest.mark.parametrize("text", ["", "0", "51", "-1", "1.0", "٣", "00050", " 5", "9" * 5])
def test_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        limit_of(request(limit=text), 20, 50)
    assert (refused.value.status, refused.value.detail) == (422, "limit is a number from 1 to 50.")


@pytest.mark.parametrize("position", [Position(0, ""), Position(1_790_000_000_000_000, "CA1")])
def test_a_cursor_leads_back_to_its_position(position: Position) -> None:
    cursor = cursor_of(position)
    assert cursor is not None
    assert position_of(request(cursor=cursor)) == position


def test_the_first_cursor_is_before_every_call() -> None:
    cursor = first_cursor()
    assert cursor is not None
    first = position_of(request(cursor=cursor))
    assert first is not None
    assert first.began_us > 1 << 61


def test_without_a_cursor_it_is_the_first_page() -> None:
    assert (position_of(request()), position_of(request(cursor=""))) == (None, None)
    assert cursor_of(None) is None


def test_a_cursor_may_be_as_long_as_is_said() -> None:
    most = limits.database.CURSOR_MAX_CHARS
    # Three bytes make four characters; the position has six beside its id.
    position = Position(1, "x" * (most // 4 * 3 - 6))
    cursor = cursor_of(position)
    assert cursor is not None
    assert len(cursor) == most
    assert position_of(request(cursor=cursor)) == position


def made(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "%%%",
        "é",
        made("{}"),
        made("[1]"),
        made('[-1, ""]'),
        made(f'[{(1 << 62) + 1}, ""]'),
        made('[1, "' + "x" * limits.database.CURSOR_MAX_CHARS + '"]'),
    ],
)
def test_a_cursor_that_nobody_made_leads_nowhere(cursor: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        position_of(request(cursor=cursor))
    assert refused.value.status == 404


def test_both_parameters_are_described_with_their_bounds() -> None:
    described = page_parameters("events", 20, 50)
    schema, words = described["limit"]
    assert (schema["minimum"], schema["maximum"], schema["default"]) == (1, 50, 20)
    assert words == "Largest number of events in the answer."
    assert described["cursor"][0]["maxLength"] == limits.database.CURSOR_MAX_CHARS
