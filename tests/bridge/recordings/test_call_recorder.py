"""A recorded call over a real port: what is written, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_calls import QUIET, RECEPTION, Stream
from http_end import http_end
from running_gateway import GatewayRig, running_gateway

from gateway.call import events, inputs
from gateway.call.endings import Ending
from gateway.call.privacy.call_privacy import CallPrivacy
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


async def test_an_agent_that_keeps_nothing_has_what_was_recorded_deleted_at_once(
    rig: GatewayRig, tmp_path: Path
) -> None:
    """Not when the call ends: a process that is killed before would store it when it is back."""
    dropped: asyncio.Queue[str] = asyncio.Queue()
    rig.gateway.recordings.stored.subscribe_to_drops(dropped.put_nowait)
    async with rig.carrier.call(RECEPTION) as stream, stream.breathing(), echoing(stream):
        await rig.note(events.RecordingStarted)
        (call,) = rig.gateway.registry.calls
        recorder = rig.gateway.recordings.recorder
        spool = tmp_path / "data" / "recording-spool"
        recorder.on_event(call, events.PrivacyChanged(CallPrivacy("none")))
        async with asyncio.timeout(20):
            assert await dropped.get() == stream.call_sid, "a part was there"
        assert not list(spool.glob("*~*"))
        assert not recorder.is_running(stream.call_sid)
        assert call.machine.line.tap is not None
        assert call.machine.line.tap.take() == [], "nothing is gathered for nobody"
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        await rig.note(events.CallEnded)
    await rig.gateway.recordings.recorder.close()
    assert not list(spool.glob("*~*"))
    stored = tmp_path / "data" / "recordings"
    assert [path for path in stored.rglob("*") if path.is_file()] == []


async def test_a_caller_who_hangs_up_before_they_were_told_leaves_nothing(
    rig: GatewayRig, tmp_path: Path
) -> None:
    async with rig.carrier.call(RECEPTION) as stream:
        await stream.stop()
        await rig.note(events.CallEnded)
    await rig.gateway.recordings.recorder.close()
    assert not (tmp_path / "data" / "recording-spool").exists()


DECIDED = """
agents:
  front:
    greeting: Hello.
    instructions: Answer the telephone.
    FIRST
    before: {http: {url: "URL/before", secret: "${DESK_SECRET}", allow_private: true}}
  other:
    greeting: Hello.
    instructions: Answer the telephone.
    SECOND
routes:
  - {to: "*", agent: front}
"""
RECORDS = "recording: {consent: Recorded., format: FORMAT}"


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("language: en", RECORDS.replace("FORMAT", "wav"), "wav"),
        (RECORDS.replace("FORMAT", "opus"), RECORDS.replace("FORMAT", "wav"), "wav"),
        (RECORDS.replace("FORMAT", "opus"), "retain_days: 3", ""),
    ],
)
async def test_the_agent_that_before_names_says_whether_the_call_is_recorded(
    tmp_path: Path, first: str, second: str, wanted: str
) -> None:
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    async with (
        http_end() as desk,
        running_model(Script(speed=500, think_ms=0)) as model,
    ):
        answer = (200, {"content-type": "application/json"}, b'{"agent": "other"}')
        desk.answers["/before"] = answer
        agents = tmp_path / "decided.yaml"
        text = DECIDED.replace("FIRST", first).replace("SECOND", second)
        agents.write_text(text.replace("URL", desk.url))
        data = tmp_path / "data"
        environ = {"GATEWAY_DATA_DIR": str(data), "DESK_SECRET": secret}
        async with (
            running_gateway(agents, model, **environ) as rig,
            rig.carrier.call(RECEPTION) as stream,
            stream.breathing(),
            echoing(stream),
        ):
            await rig.note(events.FirstAudioSent)
            (call,) = rig.gateway.registry.calls
            assert call.machine.agent.name == "other"
            waiting = asyncio.create_task(stored(rig)) if wanted else None
            if wanted:
                await rig.note(events.RecordingStarted)
            call.hang_up(Ending.OPERATOR_HUNG_UP)
            ended = await rig.note(events.CallEnded)
            assert ended.ending is Ending.OPERATOR_HUNG_UP
            if waiting is not None:
                info = await waiting
                assert (info.format, info.agent) == (wanted, "other")
            else:
                assert not rig.said(events.RecordingStarted)
                assert call.machine.line.tap is not None
                assert call.machine.line.tap.take() == []
