"""Listens in on the simulated model, for the words that a telephone cannot show."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

Entry = dict[str, Any]


@contextlib.asynccontextmanager
async def overhearing(model_url: str, told: Callable[[Entry], None]) -> AsyncIterator[None]:
    """Passes the entries of the model's journal on, from now until it is left."""
    task = asyncio.create_task(_follow(_journal_url(model_url), told))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _journal_url(model_url: str) -> str:
    base = model_url.replace("http", "ws", 1) if model_url.startswith("http") else model_url
    return base.rstrip("/").removesuffix("/v1") + "/journal?from=0"


async def _follow(url: str, told: Callable[[Entry], None]) -> None:
    """A journal that cannot be had is a transcript that is missing, never a call that fails."""
    with contextlib.suppress(OSError, WebSocketException, TimeoutError):
        async with connect(url, proxy=None, compression=None) as socket:
            async for message in socket:
                entry = json.loads(message)
                if isinstance(entry, dict):
                    told(entry)
