"""Recordings that the carrier makes: fetched, stored, deleted there, whatever fails between."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import MEDIA_CALL, SIP_CALL, TRUNK_CALL
from skipped_time import now_s, skipping
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.audio.g711 import audioop
from gateway.audio.recording import write_wav
from gateway.bridge.recordings.carrier_recordings import CarrierRecordings, CarrierStore
from gateway.call import events
from gateway.call.dialogue.recording import TYPING
from gateway.errors import LinkError
from gateway.ops.recordings.joining import RecordingGap, StoredRecording
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.recordings.object_store import RecordingObjects
from gateway.ops.recordings.recording_spool import RecordingSpool
from gateway.ops.recordings.uploader import RecordingUploader
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import CarrierRecording

SID, CALL = "RE" + "a" * 32, "CA" + "b" * 32
REPORT = CarrierRecording(CALL, SID, True, "Sun, 29 Nov 2026 09:00:00 +0000")
LEFT, RIGHT = bytes(range(256)) * 30, bytes(reversed(range(256))) * 30


def an_agent(**recording: Any) -> Agent:
    wanted = {"consent": "Recorded.", "format": "wav"} | recording
    return Agent.model_validate({"name": "desk", "instructions": "Hi.", "recording": wanted})


class Carrier:
    """The carrier's end: what it has, what it was asked, and how often it fails."""

    def __init__(self) -> None:
        self.file = io.BytesIO()
        write_wav(self.file, [LEFT, RIGHT], 8000)
        self.failures = 0
        self.refuses = False
        """Whether it has not what it is asked for, and never will."""
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while a recording is fetched."""

    def _fail(self) -> None:
        if self.refuses:
            raise LinkError("http_404", retryable=False)
        if self.failures:
            self.failures -= 1
            raise LinkError("http_503", retryable=True)

    async def fetch(self, recording_sid: str, target: Path) -> None:
        self.asked.append(f"fetch {recording_sid}")
        self._fail()
        await asyncio.to_thread(target.write_bytes, self.file.getvalue())
        self.meanwhile()

    async def delete(self, recording_sid: str) -> None:
        self.asked.append(f"delete {recording_sid}")
        self._fail()

    async def pause(self, call_sid: str, *, paused: bool) -> None:
        self.asked.append(f"{'pause' if paused else 'resume'} {call_sid}")
        self._fail()


class Process:
    def __init__(
        self,
        folder: Path,
        carrier: Carrier,
        shared: Store | None = None,
        first_pause_s: float = 0.001,
    ) -> None:
        self.spool = RecordingSpool(folder / "spool", [])
        self.library = RecordingLibrary(RecordingObjects(f"file://{folder}/store"), [])
        self.shared = shared or Store(MemoryStore(monotonic))
        self.now = 1_796_000_000.0
        self.refused, self.errors = list[str](), list[str]()
        self.stored: asyncio.Queue[StoredRecording] = asyncio.Queue()
        self.tasks: list[asyncio.Task[None]] = []
        self.news = asyncio.Event()
        self.forgotten: set[str] = set()
        self.uploader = RecordingUploader(
            self.spool,
            self.library,
            self.start,
            lambda _: False,
            self.on_stored,
            self.on_error,
            self.is_forgotten,
            self.on_dropped,
            first_pause_s=0.001,
        )
        self.recordings = CarrierRecordings(
            carrier,  # type: ignore[arg-type] # the far end of the client
            CarrierStore(self.spool, self.library, self.uploader.look_after),
            self.start,
            self.refused.append,
            self.on_error,
            self.is_forgotten,
            lambda number: f"hash of {number}",
            self.shared,
            wall=lambda: self.now,
            first_pause_s=first_pause_s,
            calls_max=2,
        )

    async def is_forgotten(self, names: Sequence[str], caller: str, _began: float) -> bool:
        return not self.forgotten.isdisjoint({*names, caller})

    def on_dropped(self, name: str) -> None:
        self.recordings.on_dropped(name)

    def on_stored(self, info: StoredRecording) -> None:
        self.recordings.on_stored(info)
        self.stored.put_nowait(info)

    def start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def failed(self) -> None:
        """Something has failed, and will be tried again."""
        async with asyncio.timeout(20):
            await self.news.wait()

    def on_error(self, reason: str) -> None:
        self.errors.append(reason)
        self.news.set()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.uploader.close()

    async def done(self) -> None:
        """Everything that was begun has come to its end."""
        async with asyncio.timeout(20):
            while pending := [task for task in self.tasks if not task.done()]:
                await asyncio.wait(pending)

    @property
    def left(self) -> list[str]:
        return sorted(p.name for p in self.spool.folder.rglob("*") if p.is_file())


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
async def process(tmp_path: Path, carrier: Carrier) -> AsyncIterator[Process]:
    process = Process(tmp_path, carrier)
    yield process
    await process.close()


async def test_a_recording_is_fetched_stored_and_deleted_there(
    process: Process, carrier: Carrier
) -> None:
    await process.recordings.reported(REPORT, an_agent())
    await process.done()
    info = process.stored.get_nowait()
    assert (info.call_sid, info.began_at) == (CALL, "2026-11-29T09:00:00+00:00")
    reader = await process.library.find(CALL)
    assert reader is not None
    data = b"".join([block async for block in reader.read(0, info.bytes)])
    stereo = audioop.lin2ulaw(data[44:], 2)
    both = [audioop.lin2ulaw(track, 2) for track in (LEFT, RIGHT)]
    assert [stereo[0::2], stereo[1::2]] == both
    assert carrier.asked == [f"fetch {SID}", f"delete {SID}"]
    assert process.left == []


async def test_the_carriers_copy_stays_where_the_agent_wants_it(
    process: Process, carrier: Carrier
) -> None:
    await process.recordings.reported(REPORT, an_agent(delete_at_carrier=False))
    await process.done()
    assert carrier.asked == [f"fetch {SID}"]


async def test_a_carrier_that_fails_is_asked_again(process: Process, carrier: Carrier) -> None:
    carrier.failures = 3
    await process.recordings.reported(REPORT, an_agent())
    await process.done()
    assert carrier.asked == [f"fetch {SID}"] * 4 + [f"delete {SID}"]
    assert set(process.errors) == {"carrier"}
    assert process.left == []


async def test_what_the_carrier_does_not_have_is_asked_for_once(
    process: Process, carrier: Carrier
) -> None:
    carrier.refuses = True
    await process.recordings.reported(REPORT, an_agent())
    await process.done()
    assert carrier.asked == [f"fetch {SID}"]
    assert (process.errors, process.left) == (["carrier"], [])


def test_a_carrier_that_fails_is_asked_more_rarely_and_not_at_one_moment(tmp_path: Path) -> None:
    async def fails() -> list[float]:
        carrier, asked_at_s = Carrier(), list[float]()
        process = Process(tmp_path, carrier, first_pause_s=1.0)
        asked = asyncio.Semaphore(0)

        async def fetch(_recording_sid: str, _target: Path) -> None:
            asked_at_s.append(now_s())
            asked.release()
            raise LinkError("http_503", retryable=True)

        carrier.fetch = fetch  # type: ignore[method-assign] # the far end
        await process.recordings.reported(REPORT, an_agent())
        for _ in range(30):
            await asked.acquire()
        await process.close()
        return [later - one for one, later in pairwise(asked_at_s)]

    pauses_s = skipping(fails())
    doubled_s = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0] + [300.0] * 20
    shares = [pause / whole for pause, whole in zip(pauses_s, doubled_s, strict=True)]
    assert 0.749 < min(shares) < 0.95
    assert 1.05 < max(shares) < 1.251


def test_a_recording_that_was_deleted_is_looked_at_once_and_then_as_before(tmp_path: Path) -> None:
    async def fails() -> list[float]:
        carrier, asked_at_s, asked = Carrier(), list[float](), asyncio.Semaphore(0)
        process = Process(tmp_path, carrier, first_pause_s=50.0)

        async def fetch(_recording_sid: str, _target: Path) -> None:
            asked_at_s.append(now_s())
            asked.release()
            raise LinkError("http_503", retryable=True)

        carrier.fetch = fetch  # type: ignore[method-assign] # the far end
        await process.recordings.reported(REPORT, an_agent())
        await asked.acquire()
        process.recordings.on_dropped(CALL)
        for _ in range(2):
            await asked.acquire()
        await process.close()
        return [later - one for one, later in pairwise(asked_at_s)]

    at_once_s, pause_s = skipping(fails())
    assert at_once_s == 0
    assert 75 <= pause_s <= 125


def test_whoever_forgets_a_call_waits_for_the_carrier_for_a_moment_only(tmp_path: Path) -> None:
    async def forgets() -> tuple[int, float]:
        carrier = Carrier()
        process = Process(tmp_path, carrier, first_pause_s=3_600.0)
        carrier.failures = 1_000
        await process.recordings.reported(REPORT, an_agent())
        await process.news.wait()
        began = now_s()
        left = await process.recordings.unfinished(CALL)
        took_s = now_s() - began
        await process.close()
        return left, took_s

    assert skipping(forgets()) == (1, limits.recordings.CARRIER_FORGET_WAIT_S)


async def test_what_is_still_to_be_fetched_is_nobody_elses_to_read(
    process: Process, carrier: Carrier
) -> None:
    carrier.failures = 1_000_000
    await process.recordings.reported(REPORT, an_agent())
    job = process.spool.folder / "carrier" / f"{SID}.job"
    assert job.stat().st_mode & 0o777 == 0o600


async def test_what_is_no_sound_file_is_tried_again_and_makes_no_part(
    process: Process, carrier: Carrier
) -> None:
    good, carrier.file = carrier.file, io.BytesIO(b"<html>not yet</html>")
    await process.recordings.reported(REPORT, an_agent())
    await process.failed()
    assert process.stored.empty()
    carrier.file = good
    await process.done()
    assert process.stored.qsize() == 1


async def test_the_next_process_goes_on(tmp_path: Path, process: Process, carrier: Carrier) -> None:
    carrier.failures = 1_000_000
    await process.recordings.reported(REPORT, an_agent())
    await process.failed()
    for task in process.tasks:
        task.cancel()
    await process.done()
    carrier.failures = 0
    after = Process(tmp_path, carrier)
    await after.recordings.run()
    await after.done()
    assert after.stored.qsize() == 1
    assert carrier.asked[-1] == f"delete {SID}"
    after.uploader.close()
    again = Process(tmp_path, carrier)
    await again.recordings.run()
    assert again.tasks == []
    again.uploader.close()


async def test_a_recording_that_was_stored_is_not_fetched_again(
    process: Process, carrier: Carrier
) -> None:
    for _ in range(2):
        await process.recordings.reported(REPORT, an_agent())
        await process.done()
    assert carrier.asked == [f"fetch {SID}", f"delete {SID}", f"delete {SID}"]


async def test_one_that_the_carrier_did_not_make_is_counted(process: Process) -> None:
    absent = CarrierRecording(CALL, SID, False, "")
    await process.recordings.reported(absent, an_agent())
    assert process.errors == ["carrier"]
    assert process.tasks == []


async def test_a_process_that_stops_waits_for_what_is_being_fetched(
    process: Process, carrier: Carrier
) -> None:
    for nth, sid in enumerate((SID, "RE" + "d" * 32), 1):
        report = CarrierRecording(CALL, sid, True, REPORT.started_at)
        await process.recordings.reported(report, an_agent())
        await asyncio.sleep(0)  # its task has begun
        async with asyncio.timeout(10):
            await process.recordings.settle(20)
        assert process.stored.qsize() == nth
        await process.uploader.settle(20)
    assert process.left == []
    carrier.failures = 1_000_000
    again = CarrierRecording(CALL, "RE" + "c" * 32, True, REPORT.started_at)
    await process.recordings.reported(again, an_agent())
    await process.failed()
    async with asyncio.timeout(10):
        await process.recordings.settle(20)
    assert len(process.left) == 1, "the next process goes on with it"


async def test_one_that_is_reported_after_its_call_was_forgotten_is_deleted_there(
    process: Process, carrier: Carrier
) -> None:
    process.forgotten = {CALL}
    await process.recordings.reported(REPORT, an_agent(delete_at_carrier=False))
    await process.done()
    assert carrier.asked == [f"delete {SID}"]
    assert process.left == []
    assert await process.library.find(CALL) is None


async def test_a_job_that_waits_for_the_carrier_ends_when_its_call_is_forgotten(
    process: Process, carrier: Carrier
) -> None:
    carrier.failures = 1
    await process.recordings.reported(REPORT, an_agent())
    await process.failed()
    process.forgotten = {CALL}
    await process.uploader.delete(CALL)
    await process.done()
    assert carrier.asked == [f"fetch {SID}", f"delete {SID}"]
    assert process.left == []
    assert process.stored.empty()


async def test_who_forgets_a_call_learns_whether_the_carrier_has_its_recording(
    tmp_path: Path, carrier: Carrier
) -> None:
    """The next try, which is minutes away when the carrier has failed often, is made at once."""
    process = Process(tmp_path, carrier, first_pause_s=3_600.0)
    carrier.failures = 1
    await process.recordings.reported(REPORT, an_agent())
    await process.failed()
    process.forgotten = {CALL}
    process.on_dropped(CALL)
    assert await process.recordings.unfinished(CALL) == 0
    assert carrier.asked[-1] == f"delete {SID}"
    assert await process.recordings.unfinished("CA9") == 0
    await process.done()
    assert process.left == []
    process.uploader.close()


async def test_one_that_is_forgotten_on_its_way_to_the_store_is_deleted_there_too(
    process: Process, carrier: Carrier
) -> None:
    carrier.meanwhile = lambda: process.forgotten.add(CALL)
    await process.recordings.reported(REPORT, an_agent(delete_at_carrier=False))
    await process.done()
    assert carrier.asked == [f"fetch {SID}", f"delete {SID}"]
    assert process.left == []


async def test_a_forgotten_callers_recording_is_known_by_their_hash(
    process: Process, carrier: Carrier
) -> None:
    call = a_call(SIP_CALL, an_agent())
    process.recordings.on_event(call, events.CallerConnected(0.0))
    process.forgotten = {f"hash of {SIP_CALL.caller}"}
    report = CarrierRecording(SIP_CALL.call_sid, SID, True, REPORT.started_at)
    await process.recordings.reported(report, an_agent())
    await process.done()
    assert carrier.asked == [f"delete {SID}"]


def a_call(facts: Any, agent: Agent) -> Any:
    recording = SimpleNamespace(wanted=agent.recording is not None)
    return SimpleNamespace(facts=facts, machine=SimpleNamespace(agent=agent, recording=recording))


async def test_its_pauses_are_among_the_gaps_in_whichever_process(
    tmp_path: Path, process: Process, carrier: Carrier
) -> None:
    call = a_call(SIP_CALL, an_agent())
    process.recordings.on_event(call, events.CallerConnected(0.0))
    for at_s, event in (
        (0.125, events.RecordingPaused("tool")),
        (0.25, events.RecordingResumed("tool")),
        (0.375, events.RecordingPaused("operator")),
    ):
        process.now = BEGAN + at_s
        process.recordings.on_event(call, event)
        await process.done()
    other = Process(tmp_path / "other", carrier, process.shared)
    report = CarrierRecording(SIP_CALL.call_sid, SID, True, REPORT.started_at)
    await other.recordings.reported(report, an_agent())
    await other.done()
    info = other.stored.get_nowait()
    assert info.gaps == [RecordingGap("paused", 0.125, 0.25), RecordingGap("paused", 0.375, 0.48)]
    assert info.call == SIP_CALL.key
    other.uploader.close()


BEGAN = datetime(2026, 11, 29, 9, tzinfo=UTC).timestamp()
PAUSE, RESUME = events.RecordingPaused, events.RecordingResumed
LASTS_S = len(LEFT) / 2 / 8_000
PAUSES: dict[str, tuple[list[tuple[float, Any]], list[tuple[float, float]]]] = {
    # when after the beginning of the recording somebody pauses or resumes, and what is missing
    "resumed, and never paused": ([(0.25, RESUME("tool"))], []),
    "paused by two": (
        [(0.125, PAUSE("tool")), (0.25, PAUSE("operator")), (0.375, RESUME("operator"))],
        [(0.125, 0.375)],
    ),
    "resumed twice": (
        [(0.125, PAUSE("tool")), (0.25, RESUME("tool")), (0.375, RESUME("operator"))],
        [(0.125, 0.25)],
    ),
    "before it began": ([(-1.0, PAUSE("tool")), (0.125, RESUME("tool"))], [(0.0, 0.125)]),
    "over before it began": ([(-2.0, PAUSE("tool")), (-1.0, RESUME("tool"))], []),
    "for no time": ([(0.25, PAUSE("tool")), (0.25, RESUME("tool"))], []),
    "until after its end": ([(0.25, PAUSE("tool")), (9.0, RESUME("tool"))], [(0.25, LASTS_S)]),
    "after its end": ([(5.0, PAUSE("tool"))], []),
}


@pytest.mark.parametrize(("happens", "missing"), PAUSES.values(), ids=PAUSES)
async def test_where_a_recording_is_silent(
    process: Process, happens: list[tuple[float, Any]], missing: list[tuple[float, float]]
) -> None:
    call = a_call(SIP_CALL, an_agent())
    process.recordings.on_event(call, events.CallerConnected(0.0))
    for at_s, event in happens:
        process.now = BEGAN + at_s
        process.recordings.on_event(call, event)
        await process.done()
    report = CarrierRecording(SIP_CALL.call_sid, SID, True, REPORT.started_at)
    await process.recordings.reported(report, an_agent())
    await process.done()
    gaps = process.stored.get_nowait().gaps
    assert gaps == [RecordingGap("paused", *one) for one in missing]


async def test_only_of_the_newest_calls_it_is_remembered_when_they_pause(
    process: Process,
) -> None:
    """Whatever else is known of older ones is in the store."""
    calls = [replace(SIP_CALL, call_sid=f"CA{nth}" + "d" * 31) for nth in range(3)]
    for facts in calls:
        process.recordings.on_event(a_call(facts, an_agent()), events.CallerConnected(0.0))
    process.now = BEGAN + 0.25
    for facts in calls:
        process.recordings.on_event(a_call(facts, an_agent()), PAUSE("tool"))
    await process.done()
    gaps = []
    for nth, facts in enumerate(calls):
        report = CarrierRecording(facts.call_sid, f"RE{nth}", True, REPORT.started_at)
        await process.recordings.reported(report, an_agent())
        await process.done()
        info = process.stored.get_nowait()
        assert info.caller == f"hash of {SIP_CALL.caller}"
        gaps.append(len(info.gaps))
    assert gaps == [0, 1, 1]


@pytest.mark.parametrize("started_at", ["", "yesterday", "Sun, 99 Nov 2026 09:00:00 +0000"])
async def test_of_one_that_began_nobody_knows_when_the_pauses_cannot_be_placed(
    process: Process, started_at: str
) -> None:
    call = a_call(SIP_CALL, an_agent())
    process.recordings.on_event(call, events.CallerConnected(0.0))
    process.now = 0.25
    process.recordings.on_event(call, events.RecordingPaused("tool"))
    await process.done()
    report = CarrierRecording(SIP_CALL.call_sid, SID, True, started_at)
    await process.recordings.reported(report, an_agent())
    await process.done()
    info = process.stored.get_nowait()
    assert info.began_at == "1970-01-01T00:00:00+00:00"
    assert info.gaps == []


async def test_a_job_that_cannot_be_read_stops_no_other(process: Process, carrier: Carrier) -> None:
    carrier.failures = 1_000_000
    await process.recordings.reported(REPORT, an_agent())
    await process.failed()
    for task in process.tasks:
        task.cancel()
    await process.done()
    folder = process.spool.folder / "carrier"
    assert [job.name for job in folder.glob("*.job")] == [f"{SID}.job"]
    (folder / "RE0.job").write_bytes(b"{")
    carrier.failures = 0
    with capture_logs() as lines:
        await process.recordings.run()
        await process.done()
    assert process.stored.qsize() == 1
    unreadable = [line for line in lines if line["event"] == "recording_part_unreadable"]
    assert [line["part"] for line in unreadable] == ["RE0"]


async def test_a_trunk_says_that_it_cannot(process: Process) -> None:
    connected = events.CallerConnected(0.0)
    plain = Agent.model_validate({"name": "desk", "instructions": "Hi."})
    for facts, agent in ((SIP_CALL, an_agent()), (MEDIA_CALL, an_agent()), (TRUNK_CALL, plain)):
        process.recordings.on_event(a_call(facts, agent), connected)
    assert process.refused == []
    process.recordings.on_event(a_call(TRUNK_CALL, an_agent()), connected)
    assert process.refused == ["trunk"]


async def test_a_pause_is_the_carriers(process: Process, carrier: Carrier) -> None:
    call = a_call(SIP_CALL, an_agent())
    process.recordings.on_event(call, events.RecordingPaused("tool"))
    await process.done()
    process.recordings.on_event(call, events.RecordingResumed("tool"))
    await process.done()
    process.recordings.on_event(a_call(MEDIA_CALL, an_agent()), events.RecordingPaused("tool"))
    await process.done()
    assert carrier.asked == [f"pause {SIP_CALL.call_sid}", f"resume {SIP_CALL.call_sid}"]


async def test_who_types_in_secret_has_left_what_is_recorded(
    process: Process, carrier: Carrier
) -> None:
    """The carrier records the `<Dial>`, and has nothing to pause any more."""
    call = a_call(SIP_CALL, an_agent())
    process.recordings.on_event(call, events.RecordingPaused(TYPING))
    process.recordings.on_event(call, events.RecordingResumed(TYPING))
    process.recordings.on_event(a_call(TRUNK_CALL, an_agent()), events.RecordingPaused("tool"))
    await process.done()
    assert carrier.asked == []


async def test_a_pause_that_fails_is_counted(process: Process, carrier: Carrier) -> None:
    carrier.failures = 1_000
    process.recordings.on_event(a_call(SIP_CALL, an_agent()), events.RecordingPaused("tool"))
    await process.done()
    assert process.errors == ["carrier"]
