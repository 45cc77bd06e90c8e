"""A recorded call over a real port: what is written, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import MEDIA_CALL, CallDouble
from gateway_calls import QUIET, RECEPTION, Stream
from http_end import http_end
from running_gateway import GatewayRig, running_gateway

from gateway.bridge.recordings.call_recorder import CallRecorder
from gateway.call import events, inputs
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.recordings.names import recording_name
from gateway.ops.recordings.recording_spool import PartFacts, part_id
from gateway.ops.recordings.writing_thread import StreamRecording
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


# --- What is handed to the thread, and when ---


class Tap:
    """Sound of one stream, in entries that the test numbers."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.closed = False

    def take(self) -> list[int]:
        taken, self.entries = self.entries, []
        return taken

    def close(self) -> None:
        self.closed = True


class Thread:
    """A thread that writes down what it gets; `full` has no place for it."""

    def __init__(self) -> None:
        self.got: list[tuple[PartFacts, list[int], float, str]] = []
        self.full = self.closed = False

    def put(self, stream: StreamRecording, entries: Any, now: float, ending: str) -> bool:
        self.got.append((stream.facts, entries, now, ending))
        return not self.full

    def close(self) -> None:
        self.closed = True

    @property
    def endings(self) -> list[str]:
        return [ending for *_, ending in self.got]


class RecordedCall(CallDouble):
    """A call whose agent wants a recording, unless the test says otherwise."""

    def __init__(self, facts: CallInfo = MEDIA_CALL, *, wanted: bool = True) -> None:
        super().__init__(facts)
        self.tap, self.wanted = Tap(), wanted
        self.arrived = True
        self.format = "wav"

    @property
    def machine(self) -> Any:
        recording = SimpleNamespace(format=self.format) if self.wanted else None
        return SimpleNamespace(
            line=SimpleNamespace(tap=self.tap),
            agent=SimpleNamespace(recording=recording, name="recorded"),
            streams=2,
            privacy=CallPrivacy(retain_days=7),
            arrived=self.arrived,
        )


class Recorder:
    """A recorder with a clock that stands at 5 s, and what its thread got."""

    def __init__(self, call: RecordedCall) -> None:
        self.thread, self.call, self.hashes = Thread(), call, ["hash"]
        self.recorder = CallRecorder(
            self.thread,  # type: ignore[arg-type]
            lambda _number: self.hashes[0],
            lambda: 5.0,
            write_every_s=0.0,
        )
        self.recorder.on_announced(call)  # type: ignore[arg-type]

    def hears(self, event: events.CallEvent) -> None:
        self.recorder.on_event(self.call, event)  # type: ignore[arg-type]

    @property
    def running(self) -> bool:
        return self.recorder.is_running(recording_name(self.call.facts.slot_key))


def over(ending: Ending) -> events.CallEnded:
    return events.CallEnded(ending, "", True, 1.0, (), 0, 0, 0)


async def test_a_part_says_what_it_belongs_to() -> None:
    rig = Recorder(RecordedCall())
    assert rig.running
    assert not rig.recorder.is_running("another")
    rig.call.tap.entries = [1, 2]
    rig.recorder.write()
    rig.recorder.write()
    [(facts, first, now, ending), (_, second, *_)] = rig.thread.got
    assert (first, second, now, ending) == ([1, 2], [], 5.0, "")
    assert facts.id.startswith(part_id(MEDIA_CALL.slot_key, 3, ""))
    assert facts == PartFacts(
        facts.id,
        recording_name(MEDIA_CALL.slot_key),
        MEDIA_CALL.key,
        MEDIA_CALL.call_sid,
        "recorded",
        "wav",
        0.0,
        MEDIA_CALL.path,
        MEDIA_CALL.direction,
        "hash",
        7,
    )


async def test_a_call_that_is_not_recorded_costs_nothing() -> None:
    rig = Recorder(RecordedCall(wanted=False))
    rig.recorder.write()
    rig.hears(events.PrivacyChanged(CallPrivacy("none")))
    rig.hears(over(Ending.CALLER_HUNG_UP))
    assert (rig.thread.got, rig.running) == ([], False)
    assert not rig.call.tap.closed


async def test_a_line_without_a_tap_is_not_recorded() -> None:
    call = RecordedCall()
    call.tap = None  # type: ignore[assignment]
    assert not Recorder(call).running


BROWSER = replace(MEDIA_CALL, path="browser")
ENDED = {
    "hung up": (MEDIA_CALL, Ending.CALLER_HUNG_UP, "final"),
    "broke off": (MEDIA_CALL, Ending.MEDIA_BROKEN, "moved"),
    "transferred": (MEDIA_CALL, Ending.TRANSFERRED, "moved"),
    "a browser broke off": (BROWSER, Ending.MEDIA_BROKEN, "final"),
    "a browser was transferred": (BROWSER, Ending.TRANSFERRED, "final"),
}


@pytest.mark.parametrize(("facts", "ending", "word"), ENDED.values(), ids=ENDED)
async def test_how_a_part_ends(facts: CallInfo, ending: Ending, word: str) -> None:
    rig = Recorder(RecordedCall(facts))
    rig.call.tap.entries = [1]
    rig.hears(over(ending))
    assert [(entries, how) for _, entries, _, how in rig.thread.got] == [([1], word)]
    assert not rig.running
    rig.recorder.write()
    rig.hears(over(ending))
    assert rig.thread.endings == [word], "once"


async def test_an_end_for_which_there_was_no_place_is_handed_over_again() -> None:
    rig = Recorder(RecordedCall())
    rig.thread.full = True
    rig.hears(over(Ending.CALLER_HUNG_UP))
    assert rig.running
    rig.thread.full = False
    rig.recorder.write()
    assert rig.thread.endings == ["final", "final"]
    assert not rig.running


async def test_what_is_not_to_be_kept_ends_at_once_and_as_that() -> None:
    rig = Recorder(RecordedCall())
    rig.thread.full = True
    rig.hears(events.PrivacyChanged(CallPrivacy("none")))
    assert rig.thread.endings == ["unkept"]
    assert rig.call.tap.closed
    rig.hears(over(Ending.CALLER_HUNG_UP))
    assert rig.thread.endings == ["unkept"], "the end of the call changes nothing"
    rig.thread.full = False
    rig.recorder.write()
    assert rig.thread.endings == ["unkept", "unkept"]
    assert not rig.running


@pytest.mark.parametrize(
    "event", [events.KeyPressed(), events.PrivacyChanged(CallPrivacy("transcript"))]
)
async def test_other_events_end_nothing(event: events.CallEvent) -> None:
    rig = Recorder(RecordedCall())
    rig.hears(event)
    assert (rig.thread.got, rig.running, rig.call.tap.closed) == ([], True, False)


async def test_an_agent_that_takes_over_before_the_first_word_decides() -> None:
    changed = events.AgentChanged("front", "recorded", "m")
    rig = Recorder(RecordedCall())
    rig.call.format = "opus"
    rig.hears(changed)  # the caller talks to the first one already
    rig.recorder.write()
    assert rig.thread.got[-1][0].format == "wav"
    rig.call.arrived = False
    rig.hears(changed)
    rig.recorder.write()
    assert rig.thread.got[-1][0].format == "opus"
    assert len(rig.thread.got) == 2
    rig.call.wanted = False
    rig.hears(changed)
    assert not rig.running


async def test_a_hash_that_was_not_known_at_first_is_found_later_and_stays() -> None:
    rig = Recorder(RecordedCall())
    assert rig.recorder.is_running(recording_name(MEDIA_CALL.slot_key))
    rig = Recorder(RecordedCall())
    rig.hashes[0] = "another"
    rig.recorder.write()
    assert rig.thread.got[-1][0].caller == "hash"
    unknown = RecordedCall()
    rig.hashes[0] = ""
    rig.recorder.on_announced(unknown)  # type: ignore[arg-type]
    rig.recorder.write()
    assert rig.thread.got[-1][0].caller == ""
    rig.hashes[0] = "found"
    rig.recorder.write()
    assert rig.thread.got[-1][0].caller == "found"


async def test_it_writes_until_it_is_stopped_and_once_more_at_the_end() -> None:
    rig = Recorder(RecordedCall())
    running = asyncio.create_task(rig.recorder.run())
    async with asyncio.timeout(10):
        while len(rig.thread.got) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    running.cancel()
    rig.thread.got.clear()
    await rig.recorder.close()
    assert rig.thread.endings == [""]
    assert rig.thread.closed
