"""The body of a request, read no further than it may be long."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from gateway.errors import PeerError

STATUS: Final = {"oversized": 413, "slow": 408, "malformed": 400, "cut_off": 400}
"""HTTP's word for what is wrong with a body."""


async def read_body(request: Request, most_bytes: int, within_s: float) -> bytes:
    """Raises PeerError (`oversized`, `slow`, `cut_off`) before more than the bound is held."""
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
