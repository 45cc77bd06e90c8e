"""Authorization of the operators' API: a bearer token, and rate limits."""

from __future__ import annotations

import hmac
import math
from collections.abc import Awaitable, Callable, Set
from hashlib import sha256
from typing import Final

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.http.problems import RequestRefused

log = structlog.get_logger()
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="gateway"'}
_NOT_CACHED: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_AWAY: Final = RequestRefused(503, "The database does not answer: try again.", {"Retry-After": "2"})

Handler = Callable[[Request], Awaitable[Response]]


class OperatorAuth:
    """Guards handlers: checks the token and the rate, and answers refusals as problems."""

    def __init__(self, token: str, refused: Counter) -> None:
        """`refused` counts requests without the right token."""
        self._digest, self._refused = _digest(token.encode()), refused
        self._guesses = TokenBucket(limits.api.GUESSES_BURST, limits.api.GUESSES_PER_S)
        self._log_lines = TokenBucket(1, 1 / limits.api.GUESSES_LOGGED_EVERY_S)
        self._unlogged = 0

    def only(self, allowance: TokenBucket, query: Set[str], handler: Handler) -> Handler:
        """Return the guarded handler; a parameter that is not in `query` is refused."""

        async def guarded(request: Request) -> Response:
            try:
                self._check(request)
                if wait_s := allowance.take():
                    raise _too_many(wait_s)
                _check_query(request, query)
                response = await handler(request)
            except RequestRefused as refused:
                response = refused.response()
            except DatabaseAway:
                response = _AWAY.response()
            response.headers.update(_NOT_CACHED)
            return response

        return guarded

    def _check(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = _digest(token.strip().encode("utf-8", "replace"))
        # Digests have one length, so that not even the token's length shows in the time.
        if hmac.compare_digest(given, self._digest) and scheme.lower() == "bearer":
            return
        self._refused.inc()
        self._log_refusal()
        # The right token is not slowed down: guessing cannot lock the operators out.
        if wait_s := self._guesses.take():
            raise _too_many(wait_s)
        raise RequestRefused(401, "Send Authorization: Bearer and GATEWAY_ADMIN_TOKEN.", _CHALLENGE)

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


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
