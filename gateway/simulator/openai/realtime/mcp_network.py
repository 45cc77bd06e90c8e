"""Network of a session's MCP servers: each listing and each call is a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from types import ModuleType
from typing import Any

from gateway.simulator.openai.realtime.mcp_tools import McpCallback

HOST = "gateway.simulator.openai.realtime.mcp_client"


class Network:
    """Network access of one session; `wake` runs a step on the session's clock."""

    def __init__(self, wake: Callable[[Callable[[], None]], None]) -> None:
        self._wake = wake
        self._work: set[asyncio.Task[None]] = set()

    def tools_of(self, server: dict[str, Any], on_done: McpCallback) -> None:
        self._start(lambda host: host.tools_of(server), on_done)

    def call(
        self, server: dict[str, Any], name: str, arguments: dict[str, Any], on_done: McpCallback
    ) -> None:
        self._start(lambda host: host.call(server, name, arguments), on_done)

    def close(self) -> None:
        """Cancel everything that is under way."""
        for task in tuple(self._work):
            task.cancel()

    def _start(
        self, work: Callable[[ModuleType], Coroutine[Any, Any, Any]], on_done: McpCallback
    ) -> None:
        task = asyncio.create_task(self._do(work, on_done))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _do(
        self, work: Callable[[ModuleType], Coroutine[Any, Any, Any]], on_done: McpCallback
    ) -> None:
        # More than a second of imports, which no call's sound shall wait for.
        host = await asyncio.to_thread(import_module, HOST)
        result, error = None, None
        try:
            result = await work(host)
        except host.HostedFailed as failed:
            error = failed.error
        self._wake(lambda: on_done(result, error))
