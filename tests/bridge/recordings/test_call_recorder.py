"""A recorded call over a real port: what is written, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_calls import QUIET, RECEPTION, Stream
from running_gateway import GatewayRig, running_gateway

from gateway.call import events, inputs
from gateway.call.endings import Ending
from gateway.ops.recordings.joining import StoredRecording
from gateway.simulator.openai.main import running_model
from gateway.simulator.openai.realtime.script import Script

AGENTS = """
agents:
  recorded:
    greeting: Hello.
    instructions: Answer the telephone.
    recording: {consent: Recorded., format: wav}
  silent:
    instructions: Wait.
routes:
  - {to: "+15550100", agent: recorded}
  - {to: "+15550101", agent: silent}
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[GatewayRig]:
    agents = tmp_path / "recorded.yaml"
    agents.write_text(AGENTS)
    async with (
        running_model(Script(speed=500, think_ms=0)) as model,
        running_gateway(agents, model, GATEWAY_DATA_DIR=str(tmp_path / "data")) as rig,
    ):
        yield rig


@contextlib.asynccontextmanager
async def echoing(stream: Stream) -> AsyncIterator[None]:
    """A telephone that says of everything at once that it was played."""

    async def echo() -> None:
        for number in itertools.count(1):
            mark = await stream.hears("mark", number)
            await stream.send("mark", mark["mark"])

    task = asyncio.create_task(echo())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stored(rig: GatewayRig) -> StoredRecording:
    found: asyncio.Queue[StoredRecording] = asyncio.Queue()
    rig.gateway.recordings.stored.subscribe(found.put_nowait)
    async with asyncio.timeout(20):
        return await found.get()


async def test_a_call_is_recorded_once_the_caller_was_told(rig: GatewayRig) -> None:
    async with rig.carrier.call(RECEPTION) as stream, stream.breathing(), echoing(stream):
        waiting = asyncio.create_task(stored(rig))
        await rig.note(events.RecordingStarted)
        (call,) = rig.gateway.registry.calls
        call.notify(inputs.RecordingPauseRequested(True, "operator"))
        assert rig.said(events.RecordingPaused) == [events.RecordingPaused("operator")]
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        info = await waiting
        assert info.call_sid == stream.call_sid
        assert info.format == "wav"
        assert await rig.metric("recordings_stored_total") == 1


async def test_a_call_of_another_agent_leaves_nothing(rig: GatewayRig, tmp_path: Path) -> None:
    async with rig.carrier.call(QUIET):
        (call,) = rig.gateway.registry.calls
        assert call.machine.line.tap is None
        assert not rig.gateway.recordings.recorder.is_running(call.facts.call_sid)
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        await rig.note(events.CallEnded)
    assert not (tmp_path / "data" / "recording-spool").exists()


async def test_a_caller_who_hangs_up_before_they_were_told_leaves_nothing(
    rig: GatewayRig, tmp_path: Path
) -> None:
    async with rig.carrier.call(RECEPTION) as stream:
        await stream.stop()
        await rig.note(events.CallEnded)
    await rig.gateway.recordings.recorder.close()
    assert not (tmp_path / "data" / "recording-spool").exists()
