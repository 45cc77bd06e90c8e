"""Functions that a call's model has called, each in a task beside the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from gateway.bridge.calls.tasks import Tasks
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import Toolbox

log = structlog.get_logger()


class ToolRunner:
    """Running functions of one call.

    `facts` returns the call's own, whose agent may change. `finished` gets each result, unless
    the function was cancelled or detached. A detached one runs on, after the end of its call and
    within its own time limit; `completed` gets what came of it.
    """

    def __init__(
        self,
        facts: Callable[[], CallInfo],
        toolbox: Toolbox,
        tasks: Tasks,
        finished: Callable[[inputs.ToolFinished], None],
        completed: Callable[[events.ToolCompleted], None],
        briefing: Callable[[], Briefing],
    ) -> None:
        """`briefing` returns what is known of the call at that moment."""
        self._briefing = briefing
        self._facts, self._toolbox, self._tasks = facts, toolbox, tasks
        self._finished, self._completed = finished, completed
        self._running: dict[str, asyncio.Task[None]] = {}
        self._detached: set[str] = set()

    def execute(self, command: do.RunTool | do.CancelTool | do.DetachTool) -> None:
        """Do what the call core wants done with a function."""
        match command:
            case do.RunTool():
                self.run(command)
            case do.CancelTool():
                self.cancel(command.call_id)
            case do.DetachTool():
                self.detach(command.call_id)

    def run(self, command: do.RunTool) -> None:
        name = f"tool {command.name} {self._facts().key}"
        self._running[command.call_id] = self._tasks.start(self._run(command), name)

    def cancel(self, call_id: str) -> None:
        task = self._running.pop(call_id, None)
        if task is not None:
            task.cancel()

    def detach(self, call_id: str) -> None:
        task = self._running.get(call_id)
        if task is not None:
            self._detached.add(call_id)
            self._tasks.wait_for(task)

    async def _run(self, command: do.RunTool) -> None:
        facts, began = self._facts(), monotonic()
        context = ToolContext(
            facts.call_sid,
            facts.caller,
            facts.dialled,
            facts.agent,
            facts.key,
            facts.call_id,
            facts.direction,
            self._briefing().facts,
        )
        try:
            result = await self._toolbox.run(command.name, command.arguments, context)
        finally:
            self._running.pop(command.call_id, None)
        if command.call_id in self._detached:
            return self._outlived(command.name, result.outcome, monotonic() - began)
        return self._finished(inputs.ToolFinished(command.call_id, result.output, result.outcome))

    def _outlived(self, name: str, outcome: str, seconds: float) -> None:
        """Report what a function did after the end of its call: the model cannot tell anybody."""
        facts = self._facts()
        ids = {"call_sid": facts.call_sid, "call_id": facts.call_id}
        log.info("tool_outlived_call", **ids, tool=name, outcome=outcome, seconds=round(seconds, 1))
        self._completed(events.ToolCompleted(name, outcome, seconds))
