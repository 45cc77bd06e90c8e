"""A task of its own for whatever uses a connection of the MCP package.

The package's task groups keep count of the cancellations of the task in which they stand, and can
take one from outside for one of theirs: an error comes out in its place, and the task goes on.
Whoever has cancelled it and waits for its end would wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway import limits
from gateway.tools.mcp_faults import McpUnavailable

T = TypeVar("T")


async def in_own_task(
    work: Coroutine[Any, Any, T], close_max_s: float = limits.mcp.CLOSE_MAX_S
) -> T:
    """Return or raise what the work does; a cancellation ends it, and is raised whatever it says.

    From then on the work has `close_max_s` seconds for its end. Raises McpUnavailable when it was
    cancelled by something else, such as a task group of the package.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task], timeout=close_max_s)
        if task.done() and not task.cancelled():
            task.exception()  # or it would be reported as one that nobody has looked at
        raise
    if task.cancelled():
        raise McpUnavailable
    return task.result()
