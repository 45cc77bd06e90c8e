"""Functions that a call's model has called, each in a task beside the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.bridge.calls.tasks import Tasks
from gateway.call import commands as do
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import Toolbox


class ToolRunner:
    """Running functions of one call; `finished` gets each result, unless it was cancelled."""

    def __init__(
        self,
        facts: CallInfo,
        toolbox: Toolbox,
        tasks: Tasks,
        finished: Callable[[inputs.ToolFinished], None],
    ) -> None:
        self._facts, self._toolbox, self._tasks, self._finished = facts, toolbox, tasks, finished
        self._running: dict[str, asyncio.Task[None]] = {}

    def run(self, command: do.RunTool) -> None:
        name = f"tool {command.name} {self._facts.key}"
        self._running[command.call_id] = self._tasks.start(self._run(command), name)

    def cancel(self, call_id: str) -> None:
        task = self._running.pop(call_id, None)
        if task is not None:
            task.cancel()

    async def _run(self, command: do.RunTool) -> None:
        facts = self._facts
        context = ToolContext(facts.call_sid, facts.caller, facts.dialled, facts.agent, facts.key)
        try:
            result = await self._toolbox.run(command.name, command.arguments, context)
        finally:
            self._running.pop(command.call_id, None)
        self._finished(inputs.ToolFinished(command.call_id, result.output, result.outcome))
