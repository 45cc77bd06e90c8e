"""Background tasks of this process: referenced, named, and their failures logged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from gateway import limits

log = structlog.get_logger()


class Tasks:
    """Every task that runs beside the calls, until it is done or the process stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: set[asyncio.Task[None]] = set()

    def start(
        self, work: Coroutine[Any, Any, None], name: str, *, last: bool = False
    ) -> asyncio.Task[None]:
        """Start a task; one that is `last` is waited for when the process stops."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        if last:
            self._last.add(task)
        task.add_done_callback(self._done)
        return task

    def wait_for(self, task: asyncio.Task[None]) -> None:
        """Have a task that runs waited for, when the process stops, like one that is `last`."""
        if task in self._tasks:
            self._last.add(task)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._last.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task_failed", task=task.get_name(), exc_info=task.exception())

    def __len__(self) -> int:
        return len(self._tasks)

    async def stop(self) -> None:
        """Wait for the last tasks for a while, and cancel all others."""
        if self._last:
            await asyncio.wait(self._last, timeout=limits.call.FINAL_HANGUP_MAX_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
