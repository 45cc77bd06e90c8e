"""Functions that block: each call in a thread of its own, which nobody has to wait for.

The event loop's own threads are few, and look up the names of hosts: with functions in them that
hang, no connection is opened any more. A process does not wait for these when it ends, either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Any

from gateway import limits
from gateway.errors import ToolError


class ThreadRunner:
    """Threads of one function: a hanging call blocks slots of this function only."""

    def __init__(self, most: int = limits.tools.TOOL_THREADS_MAX) -> None:
        self._most = most
        self._at_work = 0

    async def run(self, work: Callable[[], Any]) -> Any:
        """Return or raise what the work does. Raises ToolError when too many threads run."""
        if self._at_work >= self._most:
            raise ToolError("It is still busy with earlier requests; it may work later.")
        loop, context = asyncio.get_running_loop(), copy_context()
        done: asyncio.Future[Any] = loop.create_future()

        def finish(settle: Callable[[Any], None], what: Any) -> None:
            self._at_work -= 1
            if not done.done():  # it may have been given up
                settle(what)

        def run() -> None:
            try:
                result = context.run(work)
            except Exception as error:
                outcome: tuple[Callable[[Any], None], Any] = done.set_exception, _raisable(error)
            except SystemExit:
                # It would end the process, where it is raised in the event loop.
                outcome = done.set_exception, RuntimeError("the function called sys.exit")
            else:
                outcome = done.set_result, result
            with suppress(RuntimeError):  # the process has ended its loop meanwhile
                loop.call_soon_threadsafe(finish, *outcome)

        Thread(target=run, name="function", daemon=True).start()
        self._at_work += 1
        return await done


def _raisable(error: Exception) -> Exception:
    """Return an exception as a future takes it: `StopIteration` it refuses, and waits for ever."""
    if not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError("the function raised StopIteration")
    wrapped.__cause__ = error
    return wrapped
