"""Repetition of a request that failed in a way that another attempt may not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from math import inf
from typing import TypeVar

from gateway.errors import LinkError

T = TypeVar("T")


def doubling(first_s: float, most_s: float = inf) -> Iterator[float]:
    """Yield pauses without end, each twice as long as the one before, up to the longest."""
    pause_s = first_s
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, most_s)


async def retried(attempt: Callable[[], Awaitable[T]], tries: int, first_pause_s: float) -> T:
    """Return the result of the first attempt that works, with pauses that double.

    Raises the LinkError of an attempt that is not `retryable`, or of the last one.
    """
    for pause_s in islice(doubling(first_pause_s), tries - 1):
        try:
            return await attempt()
        except LinkError as error:
            if not error.retryable:
                raise
        await asyncio.sleep(pause_s)
    return await attempt()
