"""Who may ask: a bearer token; and how often."""

from __future__ import annotations

import hmac
import math
from collections.abc import Awaitable, Callable, Set
from hashlib import sha256
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.http.problems import RequestRefused

log = structlog.get_logger()
_WHO: Final = {"WWW-Authenticate": 'Bearer realm="gateway"'}
_NEVER_KEPT: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Handler = Callable[[Request], Awaitable[Response]]


class OperatorAuth:
    """Guards a handler: token, allowance, and every refusal as a problem."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(token.encode())

    def only(self, allowance: TokenBucket, query: Set[str], handler: Handler) -> Handler:
        """`query` names the parameters there are: a typo would quietly be another question."""

        async def guarded(request: Request) -> Response:
            try:
                self._check(request)
                wait_s = allowance.take()
                if wait_s:
                    retry = {"Retry-After": str(math.ceil(wait_s))}
                    raise RequestRefused(429, "Too many requests: slow down.", retry)
                _check_query(request, query)
                response = await handler(request)
            except RequestRefused as refused:
                response = refused.response()
            response.headers.update(_NEVER_KEPT)
            return response

        return guarded

    def _check(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = _digest(token.strip().encode("utf-8", "replace"))
        # Digests are of one length, so that not even the token's length shows in the time.
        if not hmac.compare_digest(given, self._digest) or scheme.lower() != "bearer":
            raise RequestRefused(401, "Send Authorization: Bearer and GATEWAY_ADMIN_TOKEN.", _WHO)


def _check_query(request: Request, known: Set[str]) -> None:
    given = request.query_params
    if unknown := set(given) - known:
        raise RequestRefused(422, f"There is no parameter {min(unknown)[:40]!r} here.")
    if len(given.multi_items()) > len(given):
        raise RequestRefused(422, "A parameter stands there twice.")


def _digest(token: bytes) -> bytes:
    return sha256(token).digest()
