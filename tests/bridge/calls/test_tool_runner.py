"""Functions of a call: their results, and what becomes of them when the call ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from call_doubles import CALL_SID, MEDIA_CALL
from structlog.testing import capture_logs

from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.calls.tool_runner import ToolRunner
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import ToolResult


@dataclass
class ToolboxDouble:
    """Functions that end when the test lets them."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list)
    contexts: list[object] = field(default_factory=list)

    async def run(self, name: str, _arguments: str, context: object) -> ToolResult:
        self.contexts.append(context)
        await self.may_end.wait()
        self.ended.append(name)
        return ToolResult("booked", "ok")


class Rig:
    def __init__(self, briefing: Briefing = NO_BRIEFING) -> None:
        self.toolbox, self.tasks = ToolboxDouble(), Tasks()
        self.finished: list[inputs.ToolFinished] = []
        self.completed: list[events.ToolCompleted] = []
        toolbox: Any = self.toolbox
        self.tools = ToolRunner(
            lambda: MEDIA_CALL,
            toolbox,
            self.tasks,
            self.finished.append,
            self.completed.append,
            lambda: briefing,
        )

    async def begin(self) -> None:
        self.tools.run(do.RunTool("call_1", "book", "{}"))
        await asyncio.sleep(0)

    async def end(self) -> None:
        self.toolbox.may_end.set()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        if running:
            await asyncio.wait(running)


async def test_a_result_goes_to_the_call() -> None:
    rig = Rig()
    await rig.begin()
    await rig.end()
    assert rig.finished == [inputs.ToolFinished("call_1", "booked", "ok")]
    assert not rig.completed


async def test_one_that_is_cancelled_ends_at_once() -> None:
    rig = Rig()
    await rig.begin()
    rig.tools.cancel("call_1")
    await rig.end()
    assert (rig.toolbox.ended, rig.finished, rig.completed) == ([], [], [])


async def test_one_that_is_detached_ends_by_itself_and_is_reported() -> None:
    rig = Rig()
    await rig.begin()
    rig.tools.detach("call_1")
    with capture_logs() as logs:
        await rig.end()
    assert rig.toolbox.ended == ["book"]
    assert not rig.finished
    [completed] = rig.completed
    assert (completed.name, completed.outcome) == ("book", "ok")
    assert completed.seconds >= 0
    [line] = logs
    assert (line["event"], line["call_sid"]) == ("tool_outlived_call", CALL_SID)
    assert (line["tool"], line["outcome"]) == ("book", "ok")


@pytest.mark.parametrize("detached", [False, True])
async def test_a_process_that_stops_waits_for_what_was_detached(detached: bool) -> None:
    rig = Rig()
    await rig.begin()
    if detached:
        rig.tools.detach("call_1")
    stopping = asyncio.create_task(rig.tasks.stop())
    await asyncio.sleep(0)
    rig.toolbox.may_end.set()
    await stopping
    assert rig.toolbox.ended == (["book"] if detached else [])


async def test_one_that_has_ended_cannot_be_detached_any_more() -> None:
    rig = Rig()
    await rig.begin()
    await rig.end()
    rig.tools.detach("call_1")
    assert not rig.completed


async def test_an_id_that_is_used_again_is_a_function_of_its_own() -> None:
    rig = Rig()
    await rig.begin()
    await rig.end()
    rig.tools.detach("call_1")
    await rig.begin()
    await rig.end()
    assert len(rig.finished) == 2
    assert not rig.completed


async def test_each_command_does_what_it_says() -> None:
    rig = Rig()
    for call_id in ("cancelled", "detached", "kept"):
        rig.tools.execute(do.RunTool(call_id, call_id, "{}"))
    await asyncio.sleep(0)
    rig.tools.execute(do.CancelTool("cancelled"))
    rig.tools.execute(do.CancelTool("unknown"))
    rig.tools.execute(do.DetachTool("detached"))
    rig.tools.execute(do.DetachTool("unknown"))
    await rig.end()
    assert rig.toolbox.ended == ["detached", "kept"]
    assert [one.call_id for one in rig.finished] == ["kept"]
    assert [one.name for one in rig.completed] == ["detached"]


async def test_a_function_is_told_of_its_call() -> None:
    rig = Rig(Briefing(facts={"customer": "K-1"}))
    await rig.begin()
    await rig.end()
    assert rig.toolbox.contexts == [
        ToolContext(
            call_sid=MEDIA_CALL.call_sid,
            caller=MEDIA_CALL.caller,
            dialled=MEDIA_CALL.dialled,
            agent=MEDIA_CALL.agent,
            key=MEDIA_CALL.key,
            call_id=MEDIA_CALL.call_id,
            direction=MEDIA_CALL.direction,
            facts={"customer": "K-1"},
        )
    ]
