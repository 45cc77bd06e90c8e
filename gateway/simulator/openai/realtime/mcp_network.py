"""A session's way to MCP servers: each listing and each call a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from types import ModuleType
from typing import Any

from gateway.simulator.openai.realtime.mcp_tools import McpCallback

HOST = "gateway.simulator.openai.realtime.mcp_client"


class Network:
    """`wake` carries out a step on the session's clock."""

    def __init__(self, wake: Callable[[Callable[[], None]], None]) -> None:
        self._wake = wake
        self._work: set[asyncio.Task[None]] = set()

    def tools_of(self, server: dict[str, Any], told: McpCallback) -> None:
        self._start(lambda host: host.tools_of(server), told)

    def call(
        self, server: dict[str, Any], name: str, arguments: dict[str, Any], told: McpCallback
    ) -> None:
        self._start(lambda host: host.call(server, name, arguments), told)

    def close(self) -> None:
        """Nobody waits any more."""
        for task in tuple(self._work):
            task.cancel()

    def _start(
        self, work: Callable[[ModuleType], Coroutine[Any, Any, Any]], told: McpCallback
    ) -> None:
        task = asyncio.create_task(self._do(work, told))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _do(
        self, work: Callable[[ModuleType], Coroutine[Any, Any, Any]], told: McpCallback
    ) -> None:
        # More than a second of imports, which no call's sound shall wait for.
        host = await asyncio.to_thread(import_module, HOST)
        result, error = None, None
        try:
            result = await work(host)
        except host.HostedFailed as failed:
            error = failed.error
        self._wake(lambda: told(result, error))
