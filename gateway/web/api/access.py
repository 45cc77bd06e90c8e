"""Operations on operators: their tokens, and what they did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.ops.access.audit_log import AuditEntry
from gateway.ops.records.history import US, Position
from gateway.web.api.call_queries import moment_of, short
from gateway.web.api.calls import CallsEndpoints, parsed
from gateway.web.api.paging import (
    Parameters,
    cursor_of,
    limit_of,
    page_parameters,
    position_of,
)
from gateway.web.http.problems import RequestRefused


class TokenBody(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    role: Literal["viewer", "operator", "admin"]


class NewToken(Struct):
    """Token that is shown this once."""

    name: str
    role: str
    token: str


class TokenInfo(Struct):
    name: str
    role: str
    source: Literal["environment", "made"]
    made_at: str | None
    """RFC 3339, UTC; null for one of the environment, and so is the next."""
    made_by: str | None


class OperatorSelf(Struct):
    """Operator who asks, by the token that was sent."""

    name: str
    role: Literal["viewer", "operator", "admin"]


class TokenList(Struct):
    tokens: list[TokenInfo]


class AuditPage(Struct):
    entries: list[AuditEntry]
    """Newest first."""
    next: str | None
    """Cursor of the next page; null behind the last."""


_WHO_MAX_CHARS: Final = 64

QUERY: Final[Parameters] = {
    "who": ({"type": "string", "maxLength": _WHO_MAX_CHARS}, "Only what this operator did."),
    "call": (
        {"type": "string", "maxLength": limits.web.CALL_ID_MAX_CHARS},
        "Only what was done to this call.",
    ),
    "since": ({"type": "string", "format": "date-time"}, "Only what was done then or later."),
    "until": ({"type": "string", "format": "date-time"}, "Only what was done before."),
    **page_parameters("entries", limits.api.CALLS_DEFAULT, limits.api.CALLS_MAX),
}


async def audit(endpoints: CallsEndpoints, request: Request) -> Response:
    """Answer with a page of what operators did."""
    given = request.query_params
    entries, following = await endpoints.audit.page(
        limit_of(request, limits.api.CALLS_DEFAULT, limits.api.CALLS_MAX),
        who=short(given.get("who", ""), "who", _WHO_MAX_CHARS),
        call_id=short(given.get("call", ""), "call", limits.web.CALL_ID_MAX_CHARS),
        since_us=moment_of(given.get("since"), "since"),
        until_us=moment_of(given.get("until"), "until"),
        after=position_of(request),
    )
    return _json(AuditPage(entries, cursor_of(Position(*following) if following else None)))


async def operator(_endpoints: CallsEndpoints, request: Request) -> Response:
    """Answer with who asks."""
    identity = request.state.operator
    return _json(OperatorSelf(identity.name, identity.role))


async def tokens(endpoints: CallsEndpoints, _request: Request) -> Response:
    """Answer with every token's name and role, and never with a token."""
    made = await endpoints.tokens.made()
    given = [
        TokenInfo(one.name, one.role, "environment", None, None) for one in endpoints.tokens.given
    ]
    rest = [
        TokenInfo(
            one.name,
            one.role,
            "made",
            datetime.fromtimestamp(one.made_us / US, UTC).isoformat(timespec="seconds"),
            one.made_by,
        )
        for one in made
    ]
    return _json(TokenList([*given, *rest]))


async def make_token(endpoints: CallsEndpoints, request: Request) -> Response:
    """Make a token, which is in this answer and nowhere else."""
    wanted = await parsed(request, TokenBody)
    by = request.state.operator.name
    token = await endpoints.tokens.make(wanted.name, wanted.role, by)
    if token is None:
        raise RequestRefused(409, "There is a token of this name: revoke it, or take another name.")
    return _json(NewToken(wanted.name, wanted.role, token), 201)


async def revoke_token(endpoints: CallsEndpoints, request: Request) -> Response:
    """Revoke a token that was made; those of the environment are taken out there."""
    name = request.path_params["name"][:64].replace("\0", "\ufffd")
    if not await endpoints.tokens.revoke(name):
        raise RequestRefused(404, "No such token was made over the API.")
    return _json(TokenInfo(name, "", "made", None, None))


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
