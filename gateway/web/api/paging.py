"""Pages of a list: how many entries, and a cursor that marks where the next one begins."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec
from starlette.requests import Request

from gateway import limits
from gateway.ops.records.history import Position
from gateway.web.http.problems import RequestRefused

Parameters = dict[str, tuple[dict[str, Any], str]]
"""By name: the JSON Schema of a parameter of the query, and what it means."""
_FIRST: Final = Position(1 << 62, "")
"""Before the newest entry."""
_NUMBER: Final = re.compile(r"[0-9]{1,4}")


def page_parameters(
    of: str, default: int, most: int, cursor: str = "`next` of the page before."
) -> Parameters:
    """Return the parameters of a list of `of`, by `default` and at the most so many a page."""
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {
        "limit": (limit, f"Largest number of {of} in the answer."),
        "cursor": ({"type": "string", "maxLength": limits.database.CURSOR_MAX_CHARS}, cursor),
    }


def limit_of(request: Request, default: int, most: int) -> int:
    """Return how many entries are asked for, from 1 to `most`. Raises RequestRefused."""
    text = request.query_params.get("limit", str(default))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise RequestRefused(422, f"limit is a number from 1 to {most}.")
    return int(text)


def cursor_of(position: Position | None) -> str | None:
    """Return a position as an opaque text."""
    if position is None:
        return None
    return urlsafe_b64encode(msgspec.json.encode(position)).decode()


def first_cursor() -> str | None:
    """Return the cursor of the first ended call."""
    return cursor_of(_FIRST)


def position_of(request: Request) -> Position | None:
    """Return the position of the request's cursor, None without one. Raises RequestRefused."""
    cursor = request.query_params.get("cursor")
    if not cursor:
        return None
    try:
        position = msgspec.json.decode(urlsafe_b64decode(cursor.encode("ascii")), type=Position)
        fits = 0 <= position.began_us <= _FIRST.began_us
    except (ValueError, msgspec.DecodeError):
        fits = False
    if not fits or len(cursor) > limits.database.CURSOR_MAX_CHARS:
        raise RequestRefused(404, "There is no such page: begin with the first one.")
    return position
