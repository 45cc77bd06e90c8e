"""Parameters of the list of calls: its filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from gateway import limits
from gateway.call.endings import Ending
from gateway.ops.records.history import US, CallFilter, Position
from gateway.web.api.paging import Parameters, limit_of, page_parameters, position_of
from gateway.web.http.problems import RequestRefused

STATES: Final = ("live", "ended")
PATHS: Final = ("media-streams", "sip", "browser")


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Request for a page of calls."""

    state: str | None
    limit: int
    calls: CallFilter
    after: Position | None


QUERY: Final[Parameters] = {
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
    **page_parameters(
        "calls",
        limits.api.CALLS_DEFAULT,
        limits.api.CALLS_MAX,
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
    limit = limit_of(request, limits.api.CALLS_DEFAULT, limits.api.CALLS_MAX)
    calls = CallFilter(agent, path, ending, caller, since, until)
    return CallQuery(state, limit, calls, position_of(request))


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


def short(text: str, name: str, most: int) -> str:
    """Return a parameter as the database takes it. Raises RequestRefused for one too long."""
    if len(text) > most:
        raise RequestRefused(422, f"{name} may have {most} characters.")
    return text.replace("\0", "\ufffd")  # PostgreSQL has no text with a null byte
