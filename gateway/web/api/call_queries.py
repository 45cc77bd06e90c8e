"""Parameters of the list of calls: filters, and cursors that mark a place in it."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.requests import Request

from gateway import limits
from gateway.call.endings import Ending
from gateway.ops.records.history import US, CallFilter, Position
from gateway.web.http.problems import RequestRefused

STATES: Final = ("live", "ended")
PATHS: Final = ("media-streams", "sip", "browser")
_FIRST: Final = Position(1 << 62, "")
"""Before the newest call."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Request for a page of calls."""

    state: str | None
    limit: int
    calls: CallFilter
    after: Position | None


QUERY: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "state": ({"enum": list(STATES)}, "Only those that run, or that have ended."),
    "agent": (
        {"type": "string", "maxLength": limits.agents.AGENT_NAME_MAX_CHARS},
        "Only those of this agent.",
    ),
    "path": ({"enum": list(PATHS)}, "Only those of this path."),
    "ending": ({"enum": [one.value for one in Ending]}, "Only those that ended so."),
    "caller": (
        {"type": "string", "maxLength": limits.database.CALLER_MAX_CHARS},
        "Only those of this number, in full: of a call that we placed, the called one.",
    ),
    "since": ({"type": "string", "format": "date-time"}, "Only those that began then or later."),
    "until": ({"type": "string", "format": "date-time"}, "Only those that began before."),
    "limit": (
        {
            "type": "integer",
            "minimum": 1,
            "maximum": limits.api.CALLS_MAX,
            "default": limits.api.CALLS_DEFAULT,
        },
        "Largest number of calls in the answer.",
    ),
    "cursor": (
        {"type": "string", "maxLength": limits.database.CURSOR_MAX_CHARS},
        "`next` of the page before; the filters must be the same.",
    ),
}


def call_query(request: Request) -> CallQuery:
    """Return what the parameters ask for; an empty one is left out. Raises RequestRefused."""
    given = request.query_params
    state, path, ending = given.get("state") or None, given.get("path", ""), given.get("ending", "")
    if state is not None and state not in STATES:
        raise RequestRefused(422, "state is live or ended.")
    if path and path not in PATHS:
        raise RequestRefused(422, f"path is one of {', '.join(PATHS)}.")
    if ending and ending not in {one.value for one in Ending}:
        raise RequestRefused(422, "There is no such ending.")
    agent = short(given.get("agent", ""), "agent", limits.agents.AGENT_NAME_MAX_CHARS)
    # In a query + means a blank: a number is meant where one begins with it.
    caller = short(given.get("caller", "").strip(), "caller", limits.database.CALLER_MAX_CHARS)
    since, until = (moment_of(given.get(name), name) for name in ("since", "until"))
    calls = CallFilter(agent, path, ending, caller, since, until)
    return CallQuery(state, _limit(request), calls, position_of(given.get("cursor")))


def cursor_of(position: Position | None) -> str | None:
    """Return a position as an opaque text."""
    if position is None:
        return None
    return urlsafe_b64encode(msgspec.json.encode(position)).decode()


def first_cursor() -> str | None:
    """Return the cursor of the first ended call."""
    return cursor_of(_FIRST)


def position_of(cursor: str | None) -> Position | None:
    """Return the position that a cursor was made of. Raises RequestRefused."""
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


def moment_of(text: str | None, name: str) -> int | None:
    """Return microseconds since 1970 of a time. Raises RequestRefused."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(at.timestamp() * US)
    except (ValueError, OverflowError):
        raise RequestRefused(422, f"{name} is a time like 2026-12-25T09:00:00Z.") from None


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(limits.api.CALLS_DEFAULT))
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= limits.api.CALLS_MAX:
        raise RequestRefused(422, f"limit is a number from 1 to {limits.api.CALLS_MAX}.")
    return int(text)


def short(text: str, name: str, most: int) -> str:
    """Return a parameter as the database takes it. Raises RequestRefused for one too long."""
    if len(text) > most:
        raise RequestRefused(422, f"{name} may have {most} characters.")
    return text.replace("\0", "\ufffd")  # PostgreSQL has no text with a null byte
