"""Client of the simulated model's journal, for the words that the sound does not show."""

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
async def following(model_url: str, on_entry: Callable[[Entry], None]) -> AsyncIterator[None]:
    """Pass on the entries of the model's journal for as long as the context is open."""
    task = asyncio.create_task(_follow(_journal_url(model_url), on_entry))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _journal_url(model_url: str) -> str:
    base = model_url.replace("http", "ws", 1) if model_url.startswith("http") else model_url
    return base.rstrip("/").removesuffix("/v1") + "/journal?from=0"


async def _follow(url: str, on_entry: Callable[[Entry], None]) -> None:
    """Follow the journal; without one the transcript is missing, and the call does not fail."""
    with contextlib.suppress(OSError, WebSocketException, TimeoutError):
        async with connect(url, proxy=None, compression=None) as socket:
            async for message in socket:
                entry = json.loads(message)
                if isinstance(entry, dict):
                    on_entry(entry)
