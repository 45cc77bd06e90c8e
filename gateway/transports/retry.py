"""Repetition of a request that failed in a way that another attempt may not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import LinkError

T = TypeVar("T")


async def retried(attempt: Callable[[], Awaitable[T]], tries: int, first_pause_s: float) -> T:
    """Return the result of the first attempt that works, with pauses that double.

    Raises the LinkError of an attempt that is not `retryable`, or of the last one.
    """
    for pause_s in (first_pause_s * 2**number for number in range(tries - 1)):
        try:
            return await attempt()
        except LinkError as error:
            if not error.retryable:
                raise
        await asyncio.sleep(pause_s)
    return await attempt()
