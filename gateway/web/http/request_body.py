"""Bounded reading of request bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request

from gateway import limits
from gateway.errors import PeerError
from gateway.web.http.problems import RequestRefused

STATUS: Final = {"oversized": 413, "slow": 408, "malformed": 400, "cut_off": 400, "overloaded": 503}
"""HTTP status of each fault of a body."""

_SENTENCES: Final = {
    "oversized": "The body may have {most} bytes.",
    "slow": "The body did not come in time.",
    "cut_off": "The body is not complete.",
    "overloaded": "Too many pictures are being sent at this moment: try again.",
}


def _uncounted(_size_bytes: int) -> None:
    pass


async def read_body(
    request: Request,
    most_bytes: int,
    within_s: float,
    arrived: Callable[[int], None] = _uncounted,
) -> bytes:
    """Return the body, and never hold more than the bound.

    `arrived` is called with the size of each piece before it is held, and may raise PeerError.
    Raises PeerError: `oversized`, `slow`, `cut_off`.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                if len(body) + len(chunk) > most_bytes:
                    raise PeerError("oversized")
                arrived(len(chunk))
                body += chunk
    except TimeoutError:
        raise PeerError("slow") from None
    except ClientDisconnect:
        raise PeerError("cut_off") from None
    return bytes(body)


async def body_of(
    request: Request, most_bytes: int, arrived: Callable[[int], None] = _uncounted
) -> bytes:
    """Return the body of a request to an API or page. Raises RequestRefused."""
    try:
        return await read_body(request, most_bytes, limits.api.BODY_WAIT_S, arrived)
    except PeerError as error:
        detail = _SENTENCES[error.kind].format(most=most_bytes)
        headers = {"Connection": "close"}
        if error.kind == "overloaded":
            headers["Retry-After"] = str(limits.images.UPLOADS_RETRY_S)
        raise RequestRefused(STATUS[error.kind], detail, headers) from None


def media_type(request: Request) -> str:
    """Return the content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
