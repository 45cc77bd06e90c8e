"""Recordings that the carrier makes of SIP calls, whose sound does not pass through us.

Twilio records the `<Dial>` that connects a caller with the model, and reports when the recording
can be fetched. It becomes a part in the spool like that of any call; when it is stored, Twilio's
copy is deleted, unless the agent keeps it. A job in the spool remembers what is still to be done.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import uniform
from time import time
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec import Struct

from gateway.agents.config.agent import Agent
from gateway.audio.g711 import CALLER_HZ
from gateway.audio.sound_files import mulaw_of
from gateway.audio.stereo_timeline import RecordingMark
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.recordings.carrier_pauses import CarrierPauses
from gateway.call import events
from gateway.call.dialogue.recording import TYPING
from gateway.errors import DatabaseAway, LinkError, PeerError, StoreError
from gateway.limits import recordings as limits
from gateway.ops.database.spool import make_private
from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.recordings.names import recording_name
from gateway.ops.recordings.recording_spool import PartFacts, RecordingSpool, part_id
from gateway.ops.recordings.uploader import IsForgotten
from gateway.ops.store.shared import Store
from gateway.ops.store.values import readable
from gateway.protocols.twilio_webhooks import CarrierRecording
from gateway.transports.twilio_recordings import TwilioRecordings

log = structlog.get_logger()


class CarrierJob(Struct):
    """A recording of the carrier that is to be fetched, stored, and deleted there."""

    recording_sid: str
    call_sid: str
    agent: str
    format: str
    began: float
    """Unix time in seconds."""
    delete: bool
    """Whether the carrier's copy is deleted once ours is stored."""
    call: str
    """The call's key in the API."""
    direction: str
    caller: str = ""
    """Keyed hash of the caller's number, where it is known."""
    pauses: list[tuple[float, float | None]] = []
    """Unix times between which the carrier was told to record silence."""

    @property
    def part(self) -> str:
        return part_id(self.call_sid, 0, self.recording_sid)

    @property
    def name(self) -> str:
        return recording_name(self.call_sid)


class _RecordedCall(Struct):
    """Call that the carrier records: what its report will not say."""

    call: str
    direction: str
    caller: str
    pauses: list[tuple[float, float | None]] = []


@dataclass(frozen=True, slots=True)
class CarrierStore:
    """Where the carrier's recordings go."""

    spool: RecordingSpool
    library: RecordingLibrary
    look_after: Callable[[str], None]
    """Has a recording brought to the store."""

    def keep(self, job: CarrierJob, sound: Path) -> None:
        """Make a part of a file that the carrier made. Raises OSError, PeerError."""
        facts = PartFacts(
            job.part,
            job.name,
            job.call,
            job.call_sid,
            job.agent,
            job.format,
            job.began,
            "sip",
            job.direction,
            job.caller,
        )
        writer = self.spool.writer(facts)
        try:
            for block in _stereo(sound):
                writer.write(block)
            for mark in _marks(job, writer.samples):
                writer.mark(mark)
        except BaseException:
            writer.discard()
            raise
        writer.close("final")


class _Followed(NamedTuple):
    """Job that is being worked on."""

    job: CarrierJob
    again: asyncio.Event
    """Set to have it tried at once."""
    done: asyncio.Event


class CarrierRecordings:
    """Follows recordings of the carrier from its report to our store."""

    def __init__(
        self,
        client: TwilioRecordings,
        store: CarrierStore,
        start: Callable[[Coroutine[Any, Any, None], str], object],
        on_refused: Callable[[str], None],
        on_error: Callable[[str], None],
        is_forgotten: IsForgotten,
        caller_hash: Callable[[str], str],
        shared: Store,
        *,
        wall: Callable[[], float] = time,
        first_pause_s: float = limits.FIRST_PAUSE_S,
        calls_max: int = limits.CARRIER_CALLS_MAX,
    ) -> None:
        """`on_refused` and `on_error` get the reason, for the metrics.

        What the report of a recording does not say is in `shared`: it may reach another process.
        """
        self._shared, self._wall = shared, wall
        self._client, self._store, self._start = client, store, start
        self._on_refused, self._on_error = on_refused, on_error
        self._is_forgotten, self._caller_hash = is_forgotten, caller_hash
        self._first_pause_s, self._calls_max = first_pause_s, calls_max
        self._folder = store.spool.folder / "carrier"
        self._calls: OrderedDict[str, _RecordedCall] = OrderedDict()
        """Calls of this process that the carrier records, by their CallSid."""
        self._pauses = CarrierPauses(client, start, self._paused, on_error, first_pause_s)
        self._waiting: dict[str, asyncio.Event] = {}
        """Parts on their way to the store."""
        self._followed: dict[str, _Followed] = {}
        """Jobs under way, by the carrier's id of the recording."""
        self._trying, self._idle = 0, asyncio.Event()  # set while nothing is tried

    # --- While the call runs ---

    def on_event(self, call: RunningCall, event: events.CallEvent) -> None:
        """Pause and resume at the carrier; report calls over a trunk, which are not recorded."""
        # That of the first agent decides: the document that dialled the model began it.
        if call.facts.path != "sip" or not call.machine.recording.wanted:
            return
        if isinstance(event, events.CallerConnected) and not call.facts.call_sid:
            self._on_refused("trunk")
            log.warning("recording_not_possible", call_id=call.facts.call_id, reason="trunk")
        elif isinstance(event, events.CallerConnected):
            facts = call.facts
            caller = self._caller_hash(facts.caller)
            self._calls[facts.call_sid] = _RecordedCall(facts.key, facts.direction, caller)
            self._remember(facts.call_sid)
            while len(self._calls) > self._calls_max:
                self._calls.popitem(last=False)
        elif isinstance(event, events.RecordingPaused | events.RecordingResumed):
            paused, call_sid = isinstance(event, events.RecordingPaused), call.facts.call_sid
            # Who types in secret leaves the `<Dial>`, and its recording ends with it.
            if call_sid and event.by != TYPING:
                self._pauses.ask(call_sid, paused)

    def _paused(self, call_sid: str, paused: bool) -> None:
        call = self._calls.get(call_sid)
        if call is None:  # another process had the beginning of it
            return
        now, begun = self._wall(), bool(call.pauses) and call.pauses[-1][1] is None
        if paused and not begun and len(call.pauses) < limits.MARKED_MAX:
            call.pauses.append((now, None))
        elif not paused and begun:
            call.pauses[-1] = call.pauses[-1][0], now
        self._remember(call_sid)

    def _remember(self, call_sid: str) -> None:
        text = msgspec.json.encode(self._calls[call_sid]).decode()
        self._shared.remember(_key(call_sid), text, limits.CARRIER_REPORT_MAX_S)

    async def _known(self, call_sid: str) -> _RecordedCall:
        """Return what is known of a call, in whichever process it was."""
        if call_sid in self._calls:
            return self._calls[call_sid]
        try:
            text = await self._shared.get(_key(call_sid))
        except StoreError:
            text = None
        decode = msgspec.json.Decoder(_RecordedCall).decode
        return readable(_key(call_sid), text, decode) or _RecordedCall(call_sid, "inbound", "")

    # --- When it is over ---

    async def reported(self, report: CarrierRecording, agent: Agent) -> None:
        """Take over a recording that the carrier has finished. Raises OSError."""
        recording = agent.recording
        if recording is None or not report.complete:
            self._on_error("carrier")
            log.warning("carrier_recording_absent", call_sid=report.call_sid)
            return
        known = await self._known(report.call_sid)
        job = CarrierJob(
            report.recording_sid,
            report.call_sid,
            agent.name,
            recording.format,
            _unix_s(report.started_at),
            recording.delete_at_carrier,
            known.call,
            known.direction,
            known.caller,
            known.pauses,
        )
        # On the disk before the carrier has its answer: it reports once.
        await asyncio.to_thread(self._write, job)
        self._start(self._follow(job), f"recording {job.recording_sid}")

    def on_stored(self, info: StoredRecording) -> None:
        """Wake the jobs whose parts are stored, so that the carrier's copy can be deleted."""
        for part in info.parts:
            if (waiting := self._waiting.get(part)) is not None:
                waiting.set()

    def on_dropped(self, name: str) -> None:
        """Wake the jobs of a recording that was deleted before it was stored."""
        for part, waiting in self._waiting.items():
            if part.partition("~")[0] == name:
                waiting.set()
        for one in self._followed.values():
            if one.job.name == name:
                one.again.set()

    async def unfinished(self, name: str) -> int:
        """Return how many recordings of a call the carrier may still have, after a short wait."""
        found = [one.done for one in self._followed.values() if one.job.name == name]
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.CARRIER_FORGET_WAIT_S):
                for done in found:
                    await done.wait()
        return sum(not done.is_set() for done in found)

    async def run(self) -> None:
        """Go on with the jobs that earlier processes left in the spool."""
        for job in await asyncio.to_thread(lambda: list(self._jobs())):
            self._start(self._follow(job), f"recording {job.recording_sid}")

    async def _follow(self, job: CarrierJob) -> None:
        one = self._followed[job.recording_sid] = _Followed(job, asyncio.Event(), asyncio.Event())
        pause_s = self._first_pause_s
        try:
            while not await self._tried(job):
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s * uniform(0.75, 1.25)):  # noqa: S311 - spread
                        await one.again.wait()
                one.again.clear()
                pause_s = min(2 * pause_s, limits.PAUSE_MAX_S)
        finally:
            one.done.set()
            if self._followed.get(job.recording_sid) is one:
                del self._followed[job.recording_sid]

    async def _tried(self, job: CarrierJob) -> bool:
        """Return whether nothing is left to be done."""
        self._trying += 1
        self._idle.clear()
        try:
            await self._keep(job)
        except (LinkError, PeerError, OSError, DatabaseAway) as error:
            self._on_error("carrier")
            log.warning(
                "carrier_recording_not_kept", call_sid=job.call_sid, reason=type(error).__name__
            )
            if isinstance(error, LinkError) and not error.retryable:
                self._forget(job)
                return True
            return False
        finally:
            self._trying -= 1
            if not self._trying:
                self._idle.set()
        return True

    async def settle(self, within_s: float) -> None:
        """Wait for what is being fetched, or for that time; what failed is the next process's."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._trying:  # more may have come since it was idle
                    await self._idle.wait()

    async def _keep(self, job: CarrierJob) -> None:
        waiting = self._waiting[job.part] = asyncio.Event()
        try:
            if not await self._barred(job) and not await self._is_stored(job):
                if not (self._store.spool.folder / f"{job.part}.jsonl").exists():
                    await self._fetch(job)
                self._store.look_after(job.name)
                await waiting.wait()
        finally:
            del self._waiting[job.part]
        # Of a caller who was forgotten nothing stays anywhere.
        if job.delete or await self._barred(job):
            await self._client.delete(job.recording_sid)
        self._forget(job)

    async def _barred(self, job: CarrierJob) -> bool:
        return await self._is_forgotten((job.call, job.call_sid), job.caller, job.began)

    async def _is_stored(self, job: CarrierJob) -> bool:
        stored = await self._store.library.find(job.call_sid)
        return stored is not None and job.part in stored.info.parts

    async def _fetch(self, job: CarrierJob) -> None:
        target = self._folder / f"{job.recording_sid}.wav"
        try:
            await self._client.fetch(job.recording_sid, target)
            await asyncio.to_thread(self._store.keep, job, target)
        finally:
            target.unlink(missing_ok=True)

    # --- Jobs on the disk ---

    def _write(self, job: CarrierJob) -> None:
        make_private(self._folder)
        draft = self._folder / f".{job.recording_sid}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(job))
        draft.replace(self._folder / f"{job.recording_sid}.job")

    def _jobs(self) -> Iterator[CarrierJob]:
        for path in sorted(self._folder.glob("*.job")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=CarrierJob)
            except (msgspec.DecodeError, OSError):
                log.warning("recording_part_unreadable", part=path.stem)

    def _forget(self, job: CarrierJob) -> None:
        (self._folder / f"{job.recording_sid}.job").unlink(missing_ok=True)


def _key(call_sid: str) -> str:
    return f"carrier-recording:{call_sid}"


def _marks(job: CarrierJob, samples: int) -> Iterator[RecordingMark]:
    """Yield the pauses that lie in a recording, by the carrier's time of its beginning."""
    if not job.began:
        return
    for begin, end in job.pauses:
        upto = samples if end is None else min(samples, round((end - job.began) * CALLER_HZ))
        start = max(0, round((begin - job.began) * CALLER_HZ))
        if start < upto:
            yield RecordingMark("paused", start, upto)


def _stereo(sound: Path) -> Iterator[bytes]:
    """Yield a file of the carrier's as stereo mu-law. Raises PeerError for what is none."""
    try:
        yield from mulaw_of(str(sound))
    except (RuntimeError, ValueError) as error:
        raise PeerError("unreadable", "the carrier's recording is no sound file") from error


def _unix_s(text: str) -> float:
    """Return the time of an RFC 2822 date; 0 for what is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
