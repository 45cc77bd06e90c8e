"""Bounded reading of request bodies."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from gateway import limits
from gateway.errors import PeerError
from gateway.web.http.problems import RequestRefused

STATUS: Final = {"oversized": 413, "slow": 408, "malformed": 400, "cut_off": 400}
"""HTTP status of each fault of a body."""

_SENTENCES: Final = {
    "oversized": "The body may have {most} bytes.",
    "slow": "The body did not come in time.",
    "cut_off": "The body is not complete.",
}


async def read_body(request: Request, most_bytes: int, within_s: float) -> bytes:
    """Return the body, and never hold more than the bound.

    Raises PeerError: `oversized`, `slow`, `cut_off`.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise PeerError("oversized")
    except TimeoutError:
        raise PeerError("slow") from None
    except ClientDisconnect:
        raise PeerError("cut_off") from None
    return bytes(body)


async def body_of(request: Request, most_bytes: int) -> bytes:
    """Return the body of a request to an API or page. Raises RequestRefused."""
    try:
        return await read_body(request, most_bytes, limits.api.BODY_WAIT_S)
    except PeerError as error:
        detail = _SENTENCES[error.kind].format(most=most_bytes)
        raise RequestRefused(STATUS[error.kind], detail, {"Connection": "close"}) from None


def media_type(request: Request) -> str:
    """Return the content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
