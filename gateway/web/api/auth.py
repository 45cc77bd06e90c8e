"""Authorization of the operators' API: a bearer token, and rate limits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.access.audit_log import AuditLog
from gateway.ops.access.token_book import OperatorIdentity, Role, TokenBook
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.api.recent_looks import RecentLooks
from gateway.web.http.problems import RequestRefused

log = structlog.get_logger()
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="gateway"'}
_NOT_CACHED: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_AWAY: Final = RequestRefused(503, "The database does not answer: try again.", {"Retry-After": "2"})

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Guard:
    """Conditions of one handler."""

    action: str
    """Name in the audit log."""
    role: Role = "viewer"
    audited: bool = False
    query: Set[str] = frozenset()
    """Parameters that it knows; any other is refused."""


class OperatorAuth:
    """Guards handlers: checks token, role and rate, and writes down who did what."""

    def __init__(
        self,
        tokens: TokenBook,
        refused: Counter,
        audit: AuditLog,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`refused` counts requests without a right token; `clock` is monotonic, in seconds."""
        self._tokens, self._refused, self._audit = tokens, refused, audit
        self._guesses = TokenBucket(limits.api.GUESSES_BURST, limits.api.GUESSES_PER_S, clock)
        self._log_lines = TokenBucket(1, 1 / limits.api.GUESSES_LOGGED_EVERY_S, clock)
        self._unlogged = 0
        self._looks = RecentLooks(clock)

    def only(self, allowance: TokenBucket, guard: Guard, handler: Handler) -> Handler:
        """Return the guarded handler, for which `request.state.operator` says who asks."""

        async def guarded(request: Request) -> Response:
            operator = None
            try:
                operator = request.state.operator = await self._check(request)
                if wait_s := allowance.take():
                    raise _too_many(wait_s)
                if not operator.may(guard.role):
                    raise RequestRefused(403, f"This takes the role {guard.role}.")
                _check_query(request, guard.query)
                with structlog.contextvars.bound_contextvars(operator=operator.name):
                    response = await handler(request)
            except RequestRefused as refused:
                response = refused.response()
            except DatabaseAway:
                response = _AWAY.response()
            if operator is not None and (guard.audited or response.status_code == 403):
                self._write_down(request, operator, guard.action, response.status_code)
            response.headers.update(_NOT_CACHED)
            return response

        return guarded

    def _write_down(
        self, request: Request, operator: OperatorIdentity, action: str, status: int
    ) -> None:
        call_id = request.path_params.get("id", "")[: limits.web.CALL_ID_MAX_CHARS]
        call_id = call_id.replace("\0", "\ufffd")
        # A console looks at a running call again and again.
        looks = request.method in ("GET", "HEAD")
        if looks and not self._looks.is_new((operator.name, action, call_id)):
            return
        source = request.client.host if request.client else ""
        self._audit.add(operator.name, operator.role, source[:100], action, call_id, status)

    async def _check(self, request: Request) -> OperatorIdentity:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        operator = await self._tokens.find(token.strip())
        if operator is not None and scheme.lower() == "bearer":
            return operator
        self._refused.inc()
        self._log_refusal()
        # The right token is not slowed down: guessing cannot lock the operators out.
        if wait_s := self._guesses.take():
            raise _too_many(wait_s)
        raise RequestRefused(401, "Send Authorization: Bearer and a token of yours.", _CHALLENGE)

    def _log_refusal(self) -> None:
        self._unlogged += 1
        if not self._log_lines.take():
            log.warning("admin_token_refused", requests=self._unlogged)
            self._unlogged = 0


def _too_many(wait_s: float) -> RequestRefused:
    retry = {"Retry-After": str(math.ceil(wait_s))}
    return RequestRefused(429, "Too many requests: slow down.", retry)


def _check_query(request: Request, known: Set[str]) -> None:
    given = request.query_params
    if unknown := set(given) - known:
        raise RequestRefused(422, f"There is no parameter {min(unknown)[:40]!r} here.")
    if len(given.multi_items()) > len(given):
        raise RequestRefused(422, "A parameter is given twice.")
