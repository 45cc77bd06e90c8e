"""From the spool to the store: joined, tried again, nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any

import pytest
from ops.recordings.parts import BEGAN, NAME, facts, noise, write
from skipped_time import now_s, skipping
from structlog.testing import capture_logs

from gateway.audio.g711 import audioop
from gateway.errors import DatabaseAway, LinkError
from gateway.limits import recordings as limits
from gateway.ops.recordings.joining import RecordingGap, StoredRecording
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.recordings.object_store import ObjectMissing, RecordingObjects
from gateway.ops.recordings.recording_spool import RecordingSpool
from gateway.ops.recordings.uploader import RecordingUploader

FIRST, SECOND = noise(1.0, 1), noise(0.5, 2)


class Process:
    """One process with a spool of its own, at a store that others share."""

    def __init__(
        self, folder: Path, name: str, keys: list[str], url: str = "", join_niceness: int = 10
    ) -> None:
        self.store = folder / "store"
        self.spool = RecordingSpool(folder / name, keys)
        self.library = RecordingLibrary(RecordingObjects(url or f"file://{self.store}"), keys)
        self.stored: asyncio.Queue[StoredRecording] = asyncio.Queue()
        self.errors: asyncio.Queue[str] = asyncio.Queue()
        self.running: set[str] = set()
        self.forgotten: set[str] = set()
        """Calls, and hashes of callers."""
        self.away = False
        self.dropped: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.uploader = RecordingUploader(
            self.spool,
            self.library,
            self.start,
            lambda name: name in self.running,
            self.stored.put_nowait,
            self.errors.put_nowait,
            self.is_forgotten,
            self.dropped.append,
            first_pause_s=0.001,
            join_wait_s=0.0,
            join_niceness=join_niceness,
        )

    def start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def is_forgotten(self, names: Sequence[str], caller: str, _began: float) -> bool:
        if self.away:
            raise DatabaseAway("away")
        return not self.forgotten.isdisjoint({*names, caller})

    def begin(self) -> None:
        """Start as a process does that finds its spool as the last one left it."""
        self.start(self.uploader.run(), "recordings")

    async def next(self) -> StoredRecording:
        async with asyncio.timeout(20):
            return await self.stored.get()

    async def idle(self) -> None:
        async with asyncio.timeout(20):
            await self.uploader.settle(20)

    async def sound(self) -> bytes:
        reader = await self.library.find(NAME)
        assert reader is not None
        data = b"".join([block async for block in reader.read(0, reader.info.bytes)])
        return audioop.lin2ulaw(data[44:], 2)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.uploader.close()

    @property
    def left(self) -> list[str]:
        """What lies in its spool."""
        return sorted(p.name for p in self.spool.folder.rglob("*") if p.is_file())

    @property
    def parts(self) -> list[str]:
        return sorted(p.name for p in (self.store / "parts").rglob("*") if p.is_file())


def same(sound: bytes) -> bytes:
    """Sound as it comes back: PCM has one zero, mu-law has two."""
    return audioop.lin2ulaw(audioop.ulaw2lin(sound, 2), 2)


@pytest.fixture
async def process(tmp_path: Path, keys: list[str]) -> AsyncIterator[Process]:
    process = Process(tmp_path, "one", keys)
    yield process
    await process.close()


@pytest.fixture
async def other(tmp_path: Path, keys: list[str]) -> AsyncIterator[Process]:
    process = Process(tmp_path, "two", keys)
    yield process
    await process.close()


async def test_a_call_that_has_ended_is_stored(process: Process) -> None:
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    info = await process.next()
    await process.idle()
    assert (info.name, info.seconds, info.gaps) == (NAME, 1.0, [])
    assert await process.sound() == same(FIRST)
    assert process.left == []
    assert process.uploader.waiting == 0


async def test_what_a_killed_process_left_is_stored_by_the_next(process: Process) -> None:
    write(process.spool, FIRST, ending="")
    process.begin()
    assert (await process.next()).seconds == 1.0
    await process.idle()
    assert await process.sound() == same(FIRST)
    assert process.left == []


async def test_a_call_that_moves_has_one_recording_with_the_gap_marked(
    process: Process, other: Process
) -> None:
    process.running.add(NAME)  # it never joins what it passes on
    write(process.spool, FIRST, "moved")
    process.uploader.look_after(NAME)
    await process.idle()
    assert process.left == []
    assert len(other.parts) == 2
    write(other.spool, SECOND, part=2, began=BEGAN + 3)
    other.uploader.look_after(NAME)
    info = await other.next()
    await other.idle()
    assert info.gaps == [RecordingGap("moved", 1.0, 3.0)]
    assert await other.sound() == same(FIRST + b"\xff\xff" * 16_000 + SECOND)
    assert other.parts == []
    assert other.left == []
    assert process.stored.empty()


async def test_a_part_that_comes_late_is_joined_with_what_was_stored(
    process: Process, other: Process
) -> None:
    write(other.spool, SECOND, part=2, began=BEGAN + 2)
    other.uploader.look_after(NAME)
    assert (await other.next()).seconds == 0.5
    await other.idle()
    write(process.spool, FIRST, ending="")
    process.begin()
    info = await process.next()
    await process.idle()
    assert info.gaps == [RecordingGap("killed", 1.0, 2.0)]
    assert await process.sound() == same(FIRST + b"\xff\xff" * 8000 + SECOND)
    assert len(info.parts) == 2


async def test_a_call_that_nobody_goes_on_with_is_joined_after_a_while(process: Process) -> None:
    write(process.spool, FIRST, "moved")
    process.uploader.look_after(NAME)
    assert (await process.next()).seconds == 1.0
    assert await process.sound() == same(FIRST)


async def test_parts_of_a_process_that_is_gone_are_found_by_another(
    process: Process, other: Process
) -> None:
    process.running.add(NAME)
    write(process.spool, FIRST, "moved")
    process.uploader.look_after(NAME)
    await process.idle()
    await process.close()
    other.begin()
    assert (await other.next()).seconds == 1.0
    assert await other.sound() == same(FIRST)


async def test_while_the_store_is_away_nothing_is_lost(process: Process) -> None:
    process.store.write_bytes(b"a file: no folder can be made here")
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    async with asyncio.timeout(20):
        assert {await process.errors.get() for _ in range(3)} == {"store"}
    assert process.uploader.waiting == 1
    assert len(process.left) == 2
    process.store.unlink()
    assert (await process.next()).seconds == 1.0
    assert await process.sound() == same(FIRST)
    await process.idle()
    assert process.left == []


async def test_the_same_part_again_changes_nothing(process: Process, other: Process) -> None:
    for one in (process, other):
        write(one.spool, FIRST)
    process.uploader.look_after(NAME)
    first = await process.next()
    await process.idle()
    other.uploader.look_after(NAME)
    await other.idle()
    assert other.left == []
    assert other.stored.empty()
    reader = await other.library.find(NAME)
    assert reader is not None
    assert reader.info == first


async def test_news_of_a_recording_that_is_being_stored_is_not_lost(process: Process) -> None:
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    write(process.spool, SECOND, part=2, began=BEGAN + 1)
    process.uploader.look_after(NAME)
    await process.idle()
    assert await process.sound() == same(FIRST + SECOND)


async def test_what_a_killed_process_had_joined_in_part_is_in_nobodys_way(
    process: Process,
) -> None:
    work = process.spool.folder / "joining" / NAME
    work.mkdir(parents=True)
    (work / "joined").write_bytes(b"half a recording")
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    assert (await process.next()).seconds == 1.0
    await process.idle()
    assert process.errors.empty()
    assert process.left == []


async def test_a_recording_is_deleted_wherever_it_is(process: Process) -> None:
    write(process.spool, FIRST, ending="")
    assert await process.uploader.delete(NAME)
    assert process.left == []
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    await process.next()
    await process.idle()
    assert await process.uploader.delete(NAME)
    assert await process.library.find(NAME) is None
    assert not await process.uploader.delete(NAME)


async def test_what_is_deleted_while_it_is_joined_is_not_stored(process: Process) -> None:
    process.store.write_bytes(b"away")
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    await process.errors.get()
    process.store.unlink()
    await process.uploader.delete(NAME)
    await process.idle()
    assert await process.library.find(NAME) is None
    assert process.left == []
    write(process.spool, SECOND, part=2)
    process.uploader.look_after(NAME)
    assert (await process.next()).seconds == 0.5, "what comes later is another matter"


async def test_a_part_that_no_key_opens_is_set_aside(process: Process, keys: list[str]) -> None:
    if not keys:
        return
    write(RecordingSpool(process.spool.folder, ["a-key-that-is-lost"]), FIRST)
    write(process.spool, SECOND, part=2)
    process.uploader.look_after(NAME)
    assert (await process.next()).seconds == 0.5
    assert await process.errors.get() == "unreadable"
    await process.idle()
    assert [name.rpartition(".")[2] for name in process.left] == ["sealed", "unreadable"]


async def test_what_was_forgotten_elsewhere_is_dropped(process: Process, other: Process) -> None:
    """By another process, while the part was here: neither spool nor store has it any more."""
    write(other.spool, SECOND, part=2, began=BEGAN + 1)
    other.uploader.look_after(NAME)
    await other.next()
    await other.idle()
    process.forgotten = {NAME}
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    await process.idle()
    assert process.left == []
    assert await process.library.find(NAME) is None
    assert process.dropped == [NAME]
    assert process.stored.empty()


@pytest.mark.parametrize("killed_too", [False, True])
async def test_the_parts_of_a_call_that_an_agent_took_over_who_keeps_nothing_go(
    process: Process, killed_too: bool
) -> None:
    """With it those of a process that had the call before and was killed."""
    if killed_too:
        write(process.spool, SECOND, ending="")
    write(process.spool, FIRST, "unkept", part=2, began=BEGAN + 1)
    process.uploader.look_after(NAME)
    await process.idle()
    assert process.dropped == [NAME]
    assert process.left == []
    assert await process.library.find(NAME) is None
    assert process.stored.empty()


async def drops_what_is_there(other: Process) -> None:
    """A process that knows the caller as forgotten joins what lies in the store."""
    other.forgotten = {"hash"}
    objects = other.library.objects = Ordered(f"file://{other.store}")
    other.begin()
    async with asyncio.timeout(20):
        while other.parts:  # noqa: ASYNC110 - nobody says
            await asyncio.sleep(0.01)
    assert objects.puts == [], "not even for a moment"
    assert await other.library.find(NAME) is None
    assert other.stored.empty()


async def test_a_forgotten_callers_part_in_the_store_is_dropped_by_whoever_joins_it(
    process: Process, other: Process
) -> None:
    process.running.add(NAME)
    write(process.spool, FIRST, "moved", caller="hash")
    process.uploader.look_after(NAME)
    await process.idle()
    await drops_what_is_there(other)


async def test_who_is_forgotten_need_not_be_known_in_every_part(process: Process) -> None:
    """A part that is begun before the caller is known, and cut off by a kill, never says who."""
    process.forgotten = {"hash"}
    objects = process.library.objects = Ordered(f"file://{process.store}")
    write(process.spool, FIRST, "moved", caller="hash")
    write(process.spool, SECOND, part=2, began=BEGAN + 1)
    process.uploader.look_after(NAME)
    await process.idle()
    assert process.dropped == [NAME]
    assert process.left == []
    assert objects.puts == [], "not even for a moment"


@pytest.mark.parametrize("callers", [("hash", ""), ("", "hash")])
async def test_nor_in_every_part_of_those_in_the_store(
    process: Process, other: Process, callers: tuple[str, str]
) -> None:
    process.running.add(NAME)
    write(process.spool, FIRST, "moved", caller=callers[0])
    write(process.spool, SECOND, "moved", part=2, began=BEGAN + 1, caller=callers[1])
    process.uploader.look_after(NAME)
    await process.idle()
    await drops_what_is_there(other)


async def test_while_nobody_knows_who_was_forgotten_nothing_is_stored(process: Process) -> None:
    process.away = True
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    async with asyncio.timeout(20):
        assert await process.errors.get() == "database"
    assert len(process.left) == 2
    process.away = False
    assert (await process.next()).seconds == 1.0
    await process.idle()


async def test_a_call_whose_record_is_dropped_keeps_no_recording(process: Process) -> None:
    process.begin()
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    await process.next()
    await process.idle()
    await asyncio.to_thread(process.uploader.call_dropped, ["rtc_1", NAME])
    async with asyncio.timeout(20):
        while NAME not in process.dropped:  # noqa: ASYNC110 - nobody says
            await asyncio.sleep(0.01)
    assert await process.library.find(NAME) is None


# --- When it is tried again: at a store that a test answers for ---


class Failing(RecordingObjects):
    """An empty store that does not serve its first requests for a list of names."""

    def __init__(self, failures: int) -> None:
        super().__init__("file:///nowhere")
        self.failures, self.listed_at_s = failures, list[float]()
        self.listed = asyncio.Semaphore(0)

    async def names(
        self, prefix: str, most: int = limits.SWEPT_MAX
    ) -> AsyncIterator[tuple[str, float]]:
        self.listed_at_s.append(now_s())
        self.listed.release()
        if len(self.listed_at_s) <= self.failures:
            raise LinkError("ServiceUnavailable", retryable=True)
        for one in (f"{prefix}/none",)[1:]:
            yield one, 0.0

    async def size(self, name: str) -> int:
        raise ObjectMissing


class Waiting:
    """An uploader at such a store, with pauses as they are in production."""

    def __init__(self, folder: Path, failures: int) -> None:
        self.objects, self.spool = Failing(failures), RecordingSpool(folder / "spool", [])
        self.errors, self.dropped = list[str](), list[str]()
        self.started: list[asyncio.Task[None]] = []
        self.names: list[str] = []
        self.running: list[bool] = []
        self.uploader = RecordingUploader(
            self.spool,
            RecordingLibrary(self.objects, []),
            self.start,
            lambda _: self.running.pop(0) if self.running else False,
            lambda _: None,
            self.errors.append,
            self.is_forgotten,
            self.dropped.append,
        )

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.names.append(name)
        self.started.append(asyncio.get_running_loop().create_task(work))

    async def is_forgotten(self, _names: Sequence[str], _caller: str, _began: float) -> bool:
        return False

    def pauses_s(self) -> list[float]:
        return [later - one for one, later in pairwise(self.objects.listed_at_s)]


DOUBLED_S = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]


def test_a_recording_whose_store_is_away_is_deleted_as_soon_as_it_is_back(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, failures=len(DOUBLED_S))

    async def drop() -> None:
        watching = asyncio.create_task(waiting.uploader.run())
        await waiting.objects.listed.acquire()  # the store was looked through once
        waiting.objects.listed_at_s.clear()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await asyncio.to_thread(waiting.uploader.call_dropped, [NAME, "", NAME])
        await asyncio.sleep(0)
        await asyncio.gather(*waiting.started)

    skipping(drop())
    assert waiting.pauses_s() == DOUBLED_S
    assert waiting.names == [f"drop {NAME}"], "once, and nothing that has no name"
    assert waiting.errors == ["store"] * len(DOUBLED_S)
    assert waiting.uploader.waiting == 0


def test_what_comes_after_a_recording_was_deleted_is_stored(tmp_path: Path) -> None:
    """Though its deletion came while the store was away, and somebody was at work on it."""
    waiting = Waiting(tmp_path, failures=1)
    stored = asyncio.Event()

    async def put(_name: str, _content: object) -> None:
        stored.set()

    async def comes_later() -> bool:
        waiting.objects.put = put  # type: ignore[method-assign] # the far end
        write(waiting.spool, FIRST)
        waiting.uploader.look_after(NAME)
        await waiting.objects.listed.acquire()
        assert await waiting.uploader.delete(NAME)
        await asyncio.gather(*waiting.started)
        write(waiting.spool, SECOND, part=2)
        waiting.uploader.look_after(NAME)
        seen = asyncio.create_task(stored.wait())
        await asyncio.wait((seen, waiting.started[-1]), return_when=asyncio.FIRST_COMPLETED)
        for task in (seen, *waiting.started):
            task.cancel()
        await asyncio.gather(*waiting.started, return_exceptions=True)
        return stored.is_set()

    assert skipping(comes_later())


def test_parts_that_broke_off_are_joined_after_two_minutes_however_long_the_store_is_away(
    tmp_path: Path,
) -> None:
    waiting = Waiting(tmp_path, failures=len(DOUBLED_S))

    async def sweep() -> None:
        await waiting.uploader._join_later(NAME)

    skipping(sweep())
    assert waiting.objects.listed_at_s[0] == limits.JOIN_WAIT_S == 120.0
    assert waiting.pauses_s() == DOUBLED_S
    assert waiting.errors == ["store"] * len(DOUBLED_S)


def test_what_runs_again_is_left_to_whoever_has_it(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, failures=5)
    waiting.running = [False, False, True]
    skipping(waiting.uploader._join_later(NAME))
    assert len(waiting.objects.listed_at_s) == 2


def test_a_part_is_brought_again_and_again_more_rarely_and_not_at_one_moment(
    tmp_path: Path,
) -> None:
    waiting = Waiting(tmp_path, failures=40)
    write(waiting.spool, FIRST)

    async def follow() -> None:
        waiting.uploader.look_after(NAME)
        (following,) = waiting.started
        for _ in range(40):
            await waiting.objects.listed.acquire()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    skipping(follow())
    shares = [
        pause / whole
        for pause, whole in zip(waiting.pauses_s(), [*DOUBLED_S[:-2], *[300.0] * 40], strict=False)
    ]
    assert 0.749 < min(shares) < 0.95
    assert 1.05 < max(shares) < 1.251
    assert waiting.names == [f"recording {NAME}"]


def test_the_store_is_looked_through_every_hour_and_not_by_all_at_one_moment(
    tmp_path: Path,
) -> None:
    waiting = Waiting(tmp_path, failures=2)

    async def watch() -> None:
        watching = asyncio.create_task(waiting.uploader.run())
        for _ in range(60):
            await waiting.objects.listed.acquire()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    skipping(watch())
    shares = [pause_s / limits.SWEEP_EVERY_S for pause_s in waiting.pauses_s()]
    assert waiting.objects.listed_at_s[0] == 0.0
    assert 0.499 < min(shares) < 0.8
    assert 1.2 < max(shares) < 1.501


def test_a_process_that_stops_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, failures=99)
    write(waiting.spool, FIRST)

    async def stop() -> float:
        waiting.uploader.look_after(NAME)
        await waiting.objects.listed.acquire()
        began = now_s()
        await waiting.uploader.settle(60.0)
        took_s = now_s() - began
        for task in waiting.started:
            task.cancel()
        await asyncio.gather(*waiting.started, return_exceptions=True)
        await waiting.uploader.settle(60.0)
        return took_s

    assert skipping(stop()) == 60.0


async def test_what_is_left_of_a_recording_is_counted_here_and_in_the_store(
    process: Process,
) -> None:
    assert await process.uploader.left(NAME) == 0
    write(process.spool, FIRST)
    assert await process.uploader.left(NAME) == 2, "sound and journal"
    process.uploader.look_after(NAME)
    await process.next()
    await process.idle()
    assert await process.uploader.left(NAME) == 2, "sound, and what is known of it"
    await process.uploader.delete(NAME)
    assert await process.uploader.left(NAME) == 0


async def test_whatever_fails_is_told_by_its_kind_and_tried_again(process: Process) -> None:
    asked: list[tuple[Sequence[str], str, float]] = []
    errors = iter(
        [
            ZeroDivisionError(),
            OSError(28, "No space left on device"),
            BlockingIOError(),
            DatabaseAway("away"),
        ]
    )

    async def is_forgotten(names: Sequence[str], caller: str, began: float) -> bool:
        asked.append((names, caller, began))
        if (error := next(errors, None)) is not None:
            raise error
        return False

    uploader = RecordingUploader(
        process.spool,
        process.library,
        process.start,
        lambda _: False,
        process.stored.put_nowait,
        process.errors.put_nowait,
        is_forgotten,
        process.dropped.append,
        first_pause_s=0.001,
    )
    write(process.spool, FIRST, caller="hash")
    with capture_logs() as logs:
        uploader.look_after(NAME)
        await process.next()
    told = [process.errors.get_nowait() for _ in range(process.errors.qsize())]
    assert told == ["bug", "disk", "disk", "database"]
    reasons = [line["reason"] for line in logs if line["event"] == "recording_not_stored"]
    assert reasons[:2] == ["No space left on device", "BlockingIOError"]
    assert set(asked) == {((NAME, NAME), "hash", BEGAN)}
    uploader.close()


class Ordered(RecordingObjects):
    """Notes down in which order things are stored."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.puts: list[str] = []

    async def put(self, name: str, content: Path | bytes) -> None:
        self.puts.append(name)
        await super().put(name, content)


class Vanishing(RecordingObjects):
    """What was listed is gone once: another process has just joined it."""

    gone = 1

    async def fetch(self, name: str, target: Path) -> None:
        if self.gone:
            self.gone -= 1
            raise ObjectMissing
        await super().fetch(name, target)


async def test_a_part_that_another_process_has_just_joined_is_no_error(
    process: Process, other: Process
) -> None:
    process.running.add(NAME)
    write(process.spool, FIRST, "moved")
    process.uploader.look_after(NAME)
    await process.idle()
    other.library.objects = Vanishing(f"file://{other.store}")
    write(other.spool, SECOND, part=2, began=BEGAN + 1)
    other.uploader.look_after(NAME)
    await other.idle()
    assert other.stored.get_nowait().seconds == 1.5
    assert (other.left, other.parts) == ([], [])
    assert other.errors.empty()


async def test_a_part_that_is_passed_on_is_there_when_its_journal_is(tmp_path: Path) -> None:
    process = Process(tmp_path, "one", [])
    objects = Ordered(f"file://{process.store}")
    process.library.objects = objects
    process.running.add(NAME)
    of = write(process.spool, FIRST, "moved")
    process.uploader.look_after(NAME)
    await process.idle()
    assert objects.puts == [f"parts/{NAME}/{of.id}.wav", f"parts/{NAME}/{of.id}.jsonl"]
    await process.close()


class Lying(RecordingObjects):
    """A store in which parts lie, since when a test says."""

    def __init__(self, *lying: tuple[str, float]) -> None:
        super().__init__("file:///nowhere")
        self.lying = lying

    async def names(
        self, prefix: str, most: int = limits.SWEPT_MAX
    ) -> AsyncIterator[tuple[str, float]]:
        for name, ago_s in self.lying:
            yield name, time() - ago_s


async def test_only_what_nobody_will_join_any_more_is_looked_after(tmp_path: Path) -> None:
    wait_s = limits.JOIN_WAIT_S
    lying = Lying(
        ("parts/CA-b/1.wav", 2 * wait_s + 30),
        ("parts/CA-a/1.wav", 2 * wait_s + 30),
        ("parts/CA-a/1.jsonl", 2 * wait_s + 30),
        ("parts/CA-new/1.wav", 2 * wait_s - 30),
        ("parts/CA-at-work/1.wav", 2 * wait_s + 30),
        ("parts/stray", 2 * wait_s + 30),
        ("parts/CA-c/deep/1.wav", 2 * wait_s + 30),
    )
    asked: list[str] = []
    looked = asyncio.Event()

    def is_running(name: str) -> bool:
        asked.append(name)
        if name == "CA-b":
            looked.set()
        return True

    started: list[Any] = []
    uploader = RecordingUploader(
        RecordingSpool(tmp_path / "spool", []),
        RecordingLibrary(lying, []),
        lambda work, _: started.append(work),
        is_running,
        lambda _: None,
        lambda _: None,
        Waiting(tmp_path, 0).is_forgotten,
        lambda _: None,
    )
    uploader.look_after("CA-at-work")
    assert uploader.waiting == 1
    watching = asyncio.create_task(uploader.run())
    await looked.wait()
    watching.cancel()
    assert asked == ["CA-a", "CA-b"]
    for work in started:
        work.close()
    uploader.close()


async def test_a_recording_that_is_looked_after_already_is_not_begun_twice(
    process: Process,
) -> None:
    write(process.spool, FIRST)
    for _ in range(3):
        process.uploader.look_after(NAME)
    assert (len(process.tasks), process.uploader.waiting) == (1, 1)
    await process.idle()
    assert process.uploader.waiting == 0


async def test_a_part_is_looked_after_as_soon_as_it_is_closed(process: Process) -> None:
    process.uploader.part_closed(write(process.spool, FIRST), "final")
    assert process.tasks == [], "nobody runs it yet"
    process.begin()
    await process.next()
    await process.idle()
    later = write(process.spool, SECOND, part=2, began=BEGAN + 1)
    await asyncio.to_thread(process.uploader.part_closed, later, "final")
    assert (await process.next()).seconds == 1.5
    await process.idle()


# --- What happens while a recording is stored ---


class Meanwhile(RecordingObjects):
    """A store at which something happens as soon as an object is there, each time or once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.then: dict[str, Callable[[], Awaitable[object]]] = {}
        """By the end of the object's name; taken out when it happens."""

    async def put(self, name: str, content: Path | bytes) -> None:
        await super().put(name, content)
        for ending in [one for one in self.then if name.endswith(one)]:
            await self.then.pop(ending)()


@pytest.fixture
def meanwhile(process: Process) -> Meanwhile:
    objects = process.library.objects = Meanwhile(f"file://{process.store}")
    return objects


@pytest.mark.parametrize("how", ["deleted", "forgotten"])
async def test_what_somebody_wants_gone_while_it_is_stored_goes(
    process: Process, meanwhile: Meanwhile, how: str
) -> None:
    async def is_to_go() -> None:
        if how == "deleted":
            await process.uploader.delete(NAME)
        else:
            process.forgotten = {NAME}

    sound = process.library.key(NAME, "wav")
    meanwhile.then[sound] = is_to_go
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    await process.idle()
    assert meanwhile.then == {}, "it was stored"
    assert await process.uploader.left(NAME) == 0
    assert process.stored.empty()
    assert set(process.dropped) == {NAME}


@pytest.mark.parametrize("there", ["another", "none"])
async def test_of_two_processes_that_join_at_one_moment_none_loses_its_part(
    tmp_path: Path, there: str
) -> None:
    """The other one did not see ours, and what it stored stands in place of it."""
    process, other = Process(tmp_path, "one", []), Process(tmp_path / "elsewhere", "two", [])
    write(other.spool, SECOND, part=2, began=BEGAN + 1)
    other.uploader.look_after(NAME)
    await other.next()
    objects = process.library.objects = Meanwhile(f"file://{process.store}")

    async def another() -> None:
        shutil.copytree(other.store, process.store, dirs_exist_ok=True)

    async def none() -> None:
        await objects.delete(f"{NAME}.json")

    objects.then[".json"] = {"another": another, "none": none}[there]
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    info = await process.next()
    await process.idle()
    assert process.errors.get_nowait() == "store"
    assert process.errors.empty()
    assert info.seconds == {"another": 1.5, "none": 1.0}[there]
    assert await process.sound() == same(FIRST + SECOND if there == "another" else FIRST)
    for one in (process, other):
        await one.close()


async def test_a_recording_that_changes_its_format_leaves_no_other_file(process: Process) -> None:
    """A later part is of an agent whose calls are stored in another one."""
    write(process.spool, FIRST)
    process.uploader.look_after(NAME)
    assert (await process.next()).format == "wav"
    await process.idle()
    write(process.spool, SECOND, part=2, began=BEGAN + 1, kind="opus")
    process.uploader.look_after(NAME)
    assert (await process.next()).format == "opus"
    await process.idle()
    assert await process.library.objects_of(NAME) == [
        process.library.key(NAME, "opus"),
        f"{NAME}.json",
    ]


def test_what_other_threads_report_before_and_after_its_time_is_nobodys(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, 0)

    def report() -> None:
        waiting.uploader.part_closed(facts(), "final")
        waiting.uploader.call_dropped([NAME])

    async def run() -> None:
        watching = asyncio.create_task(waiting.uploader.run())
        await waiting.objects.listed.acquire()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    report()
    skipping(run())
    report()  # the loop is closed: what is in the spool is the next process's
    assert waiting.names == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has its own niceness")
@pytest.mark.parametrize(("niceness", "wanted"), [(0, 19), (19, 10)])
def test_joining_gives_way_to_calls(tmp_path: Path, niceness: int, wanted: int) -> None:
    """A gateway that gives way to others already gives way no less when it joins."""
    found: list[int] = []

    async def join() -> None:
        before = {thread.ident for thread in threading.enumerate()}
        process = Process(tmp_path, "one", [], join_niceness=wanted)
        write(process.spool, FIRST)
        process.uploader.look_after(NAME)
        await process.next()
        found.extend(
            os.getpriority(os.PRIO_PROCESS, thread.native_id or 0)
            for thread in threading.enumerate()
            if thread.ident not in before and thread.name.startswith("recording-join")
        )
        await process.close()

    own = max(niceness, os.getpriority(os.PRIO_PROCESS, 0))

    def of_that_niceness() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), own)
        asyncio.run(join())

    thread = threading.Thread(target=of_that_niceness)
    thread.start()
    thread.join()
    assert found == [19]
