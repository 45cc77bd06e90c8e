"""Brings parts from the spool to the store, and joins those of one call, until it has worked.

A part whose call goes on elsewhere is stored as it is; whichever process has the end of the call
fetches it and joins it with its own. What was stored before counts as a part too, so that one
that comes late, from a process that was killed, is joined as well. Nothing is deleted before all
that was made of it is stored.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import uniform
from time import time
from typing import Any

import structlog

from gateway.audio.g711 import CALLER_HZ
from gateway.audio.sound_files import mulaw_of
from gateway.audio.stereo_timeline import RecordingMark
from gateway.errors import DatabaseAway, LinkError, PeerError
from gateway.limits import recordings as limits
from gateway.ops.recordings.joining import JoinedPart, StoredRecording, join
from gateway.ops.recordings.library import PARTS, RecordingLibrary, RecordingReader
from gateway.ops.recordings.names import recording_name
from gateway.ops.recordings.object_store import ObjectMissing
from gateway.ops.recordings.recording_spool import (
    UNKEPT_PART,
    PartFacts,
    RecordingSpool,
    SpooledPart,
    set_aside,
)

log = structlog.get_logger()
IsForgotten = Callable[[Sequence[str], str, float], Awaitable[bool]]
"""Gets the names of a call, the hash of its caller and when it began. Raises DatabaseAway."""


class RecordingUploader:
    """Follows each recording from its parts to the store."""

    def __init__(
        self,
        spool: RecordingSpool,
        library: RecordingLibrary,
        start: Callable[[Coroutine[Any, Any, None], str], object],
        is_running: Callable[[str], bool],
        on_stored: Callable[[StoredRecording], None],
        on_error: Callable[[str], None],
        is_forgotten: IsForgotten,
        on_dropped: Callable[[str], None],
        *,
        first_pause_s: float = limits.FIRST_PAUSE_S,
        join_wait_s: float = limits.JOIN_WAIT_S,
        join_niceness: int = limits.JOINER_NICENESS,
    ) -> None:
        """`is_running` says of a recording's name whether its call runs in this process.

        `on_error` gets why something is tried again: `store`, `disk`, `unreadable`, `database`.
        What was forgotten is deleted in place of being stored; `on_dropped` gets its name.
        """
        self._is_forgotten, self._on_dropped = is_forgotten, on_dropped
        self._spool, self._library, self._start = spool, library, start
        self._is_running, self._on_stored, self._on_error = is_running, on_stored, on_error
        self._first_pause_s, self._join_wait_s = first_pause_s, join_wait_s
        self._at_work: dict[str, bool] = {}
        """Recordings at work, and whether there is something to bring of each."""
        self._deleted: set[str] = set()
        self._idle = asyncio.Event()  # set while nothing is at work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, "recording-join", _give_way, (join_niceness,))

    @property
    def waiting(self) -> int:
        """How many recordings are on their way to the store."""
        return len(self._at_work)

    async def run(self) -> None:
        """Go on with what earlier processes left behind; look through the store now and then."""
        self._loop = asyncio.get_running_loop()
        for name in await asyncio.to_thread(self._spool.names):
            self.look_after(name)
        while True:
            try:
                await self._sweep()
            except LinkError as error:
                log.warning("recordings_sweep_failed", reason=error.reason)
            await asyncio.sleep(limits.SWEEP_EVERY_S * uniform(0.5, 1.5))  # noqa: S311 - spread

    def part_closed(self, facts: PartFacts, _ending: str) -> None:
        """A part is complete; called in the thread that wrote it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.look_after, facts.name)

    def look_after(self, name: str) -> None:
        """Bring what there is of a recording to where it belongs, now."""
        begun = name in self._at_work
        self._at_work[name] = True
        self._idle.clear()
        if not begun:
            self._start(self._follow(name), f"recording {name}")

    async def delete(self, name: str) -> bool:
        """Delete a call's recording, here and in the store; whether there was any.

        Raises LinkError, OSError.
        """
        self._deleted.add(name)  # what is being joined at this moment is not stored any more
        try:
            here = await asyncio.to_thread(self._forget_all, name)
            return await self._library.delete(name) or here
        finally:
            if name not in self._at_work:
                self._deleted.discard(name)
            self._on_dropped(name)

    async def left(self, name: str) -> int:
        """Return how many files and objects there are of a recording. Raises LinkError."""
        here = await asyncio.to_thread(self._spool.files, name)
        return len(here) + len(await self._library.objects_of(name))

    def call_dropped(self, names: Sequence[str]) -> None:
        """Take the names of a call whose record was dropped; called in another thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._drop_all, [one for one in names if one])

    def _drop_all(self, names: Sequence[str]) -> None:
        for name in {recording_name(one) for one in names}:
            self._start(self._delete_surely(name), f"drop {name}")

    async def _delete_surely(self, name: str) -> None:
        pause_s = self._first_pause_s
        while True:
            try:
                await self.delete(name)
            except (LinkError, OSError):
                self._on_error("store")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, limits.PAUSE_MAX_S)
            else:
                return

    async def settle(self, within_s: float) -> None:
        """Wait until everything is stored, or for that time: the disk may go with the process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._at_work:  # more may have come since it was idle
                    await self._idle.wait()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    # --- One recording ---

    async def _follow(self, name: str) -> None:
        pause_s = self._first_pause_s
        try:
            while self._at_work[name]:
                self._at_work[name] = False
                if await self._tried(name):
                    pause_s = self._first_pause_s
                else:
                    self._at_work[name] = True
                    await asyncio.sleep(pause_s * uniform(0.75, 1.25))  # noqa: S311 - spread
                    pause_s = min(2 * pause_s, limits.PAUSE_MAX_S)
        finally:
            del self._at_work[name]
            self._deleted.discard(name)
            if not self._at_work:
                self._idle.set()

    async def _tried(self, name: str) -> bool:
        """Return whether everything is where it belongs."""
        try:
            await self._keep(name)
        except (LinkError, OSError, DatabaseAway) as error:
            kind, reason = _cause(error)
            self._on_error(kind)
            log.warning("recording_not_stored", recording=name, reason=reason)
            return False
        except ObjectMissing:  # another process has just joined it
            return False
        except Exception:
            self._on_error("bug")
            log.exception("recording_job_failed", recording=name)
            return False
        return True

    async def _keep(self, name: str) -> None:
        parts = await asyncio.to_thread(self._readable, self._spool, name)
        if name in self._deleted:
            await asyncio.to_thread(self._forget_all, name)
        elif parts and (_is_unkept(parts) or await self._barred(parts)):
            await self._drop(name)
        elif parts and all(part.ending == "moved" for part in parts):
            for part in parts:
                await self._pass_on(part)
            self._start(self._join_later(name), f"recording {name} later")
        elif parts:
            await self._finish(name, parts)

    async def _barred(self, parts: Sequence[SpooledPart | JoinedPart]) -> bool:
        """Whether a call of these parts was forgotten, or nothing of it is kept.

        Each is asked for: who called may be known in one of them alone. While nobody can say,
        nothing is stored.
        """
        for facts in (part.facts for part in parts):
            if await self._is_forgotten((facts.call, facts.call_sid), facts.caller, facts.began):
                return True
        return False

    async def _drop(self, name: str) -> None:
        """Delete what there is of a recording, here and in the store. Raises LinkError, OSError."""
        await asyncio.to_thread(self._forget_all, name)
        await self._library.delete(name)
        log.info("barred_recording_dropped", recording=name)
        self._on_dropped(name)

    def _readable(self, spool: RecordingSpool, name: str) -> list[SpooledPart]:
        """Return the parts of a recording; one that nobody can read is set aside."""
        found = []
        for journal in spool.journals(name):
            try:
                part = spool.read(journal)
            except PeerError:
                self._on_error("unreadable")
                set_aside(journal)
                continue
            if part is not None:
                found.append(part)
        return found

    async def _pass_on(self, part: SpooledPart) -> None:
        """Store a part as it is, for whichever process has the end of the call."""
        folder = f"{PARTS}/{part.facts.name}"
        journal = part.sound.with_suffix(".jsonl")
        # The journal last: a part is there when its journal is.
        await self._library.objects.put(f"{folder}/{part.sound.name}", part.sound)
        await self._library.objects.put(f"{folder}/{journal.name}", journal)
        self._spool.forget(part)

    async def _join_later(self, name: str) -> None:
        """Join what broke off, unless it goes on: then its end joins it."""
        await asyncio.sleep(self._join_wait_s)
        await self._join_stored(name)

    async def _join_stored(self, name: str) -> None:
        pause_s = self._first_pause_s
        while not self._is_running(name):
            try:
                return await self._finish(name, [])
            except (LinkError, OSError, ObjectMissing, DatabaseAway):
                self._on_error("store")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, limits.PAUSE_MAX_S)
        return None

    async def _sweep(self) -> None:
        """Join parts that lie in the store for so long that nobody else will."""
        old = time() - 2 * self._join_wait_s
        names = {
            path.split("/")[1]
            async for path, changed in self._library.objects.names(PARTS)
            if changed < old and path.count("/") == 2
        }
        for name in sorted(names):
            if name not in self._at_work:
                await self._join_stored(name)

    # --- Joining ---

    async def _finish(self, name: str, here: Sequence[SpooledPart]) -> None:
        work = self._spool.folder / "joining" / name
        await asyncio.to_thread(_made_anew, work)
        try:
            await self._join(name, here, work)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, True)

    async def _join(self, name: str, here: Sequence[SpooledPart], work: Path) -> None:
        objects = self._library.objects
        stored = [path async for path, _ in objects.names(f"{PARTS}/{name}")]
        for path in stored:
            await objects.fetch(path, work / path.rpartition("/")[2])
        fetched = self._spool.at(work)
        there = await asyncio.to_thread(self._readable, fetched, name)
        before = await self._library.find(name)
        if await self._barred(there):  # what ended unkept is never passed on
            return await self._drop(name)
        have = set(before.info.parts) if before is not None else set()
        new = [_joined(part, self._spool) for part in here if part.facts.id not in have]
        new += [_joined(part, fetched) for part in there if part.facts.id not in have]
        if new:
            if before is not None:
                new.append(await self._as_part(before, work / "before"))
            info = await self._made(name, new, work / "joined")
            await self._put(name, info, work / "joined", before)
            if name in self._deleted or await self._barred(new):  # meanwhile
                return await self._drop(name)
            self._on_stored(info)
        for part in here:
            self._spool.forget(part)
        for path in stored:
            await objects.delete(path)
        return None

    async def _made(self, name: str, parts: Sequence[JoinedPart], target: Path) -> StoredRecording:
        loop = asyncio.get_running_loop()
        secret, key = self._library.secret, lambda extension: self._library.key(name, extension)
        return await loop.run_in_executor(self._thread, join, parts, target, secret, key)

    async def _put(
        self, name: str, info: StoredRecording, sound: Path, before: RecordingReader | None
    ) -> None:
        if name in self._deleted:
            return
        await self._library.store(info, sound)
        now = await self._library.find(name)
        if now is None or not set(info.parts) <= set(now.info.parts):
            # Two processes joined at the same moment, and the other one was the last.
            raise LinkError("overwritten", retryable=True)
        if before is not None and before.info.key != info.key:
            await self._library.objects.delete(before.info.key)
        log.info(
            "recording_stored", call_sid=info.call_sid, seconds=info.seconds, gaps=len(info.gaps)
        )

    async def _as_part(self, before: RecordingReader, target: Path) -> JoinedPart:
        """Return what was stored before as a part."""
        info = before.info
        if info.sealed:  # in memory, a quarter of a megabyte for each minute: not in plain on disk
            source: Any = BytesIO()
            async for block in before.read(0, info.bytes):
                source.write(block)
            source.seek(0)
        else:
            await self._library.objects.fetch(info.key, target)
            source = str(target)
        facts = PartFacts(
            info.parts[0],
            info.name,
            info.call,
            info.call_sid,
            info.agent,
            info.format,
            info.began,
            info.path,
            info.direction,
            info.caller,
            info.retain_days,
        )
        marks = [
            RecordingMark(gap.kind, round(gap.from_s * CALLER_HZ), round(gap.to_s * CALLER_HZ))
            for gap in info.gaps
        ]
        samples = round(info.seconds * CALLER_HZ)
        return JoinedPart(facts, samples, marks, "moved", info.parts, lambda: mulaw_of(source))

    def _forget_all(self, name: str) -> bool:
        files = self._spool.files(name)
        # Journals last: by them parts are found again.
        for path in sorted(files, key=lambda one: one.suffix == ".jsonl"):
            path.unlink(missing_ok=True)
        return bool(files)


def _is_unkept(parts: Sequence[SpooledPart]) -> bool:
    """Whether an agent that keeps nothing of the call took it over."""
    return any(part.ending == UNKEPT_PART for part in parts)


def _joined(part: SpooledPart, spool: RecordingSpool) -> JoinedPart:
    def sound() -> Any:
        return spool.sound(part.sound)

    return JoinedPart(part.facts, part.samples, part.marks, part.ending, [part.facts.id], sound)


def _cause(error: LinkError | OSError | DatabaseAway) -> tuple[str, str]:
    if isinstance(error, LinkError):
        return "store", error.reason
    if isinstance(error, OSError):
        return "disk", error.strerror or type(error).__name__
    return "database", "nobody can say whether its caller was forgotten"


def _made_anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)


def _give_way(niceness: int) -> None:
    """Give way to the calls: on Linux a thread has a niceness of its own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # To take priority back takes a right, and a thread that raises here would join nothing.
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, max(own, niceness))
