"""What is added is written: once, in order, and though the database or the disk is away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from database_end import CALLER, DatabaseEnd, ended_call, open_database
from postgres_end import PostgresEnd
from skipped_time import now_s, skipping
from structlog.testing import capture_logs

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.database.address import database_address
from gateway.ops.database.database import Database
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.spool import Spool
from gateway.ops.database.write_behind import Write, WriteBehind
from gateway.ops.records.history import CallFilter

ALL = CallFilter()


@contextlib.asynccontextmanager
async def writing(end: DatabaseEnd) -> AsyncIterator[None]:
    task = asyncio.create_task(end.writes.run())
    try:
        yield
    finally:
        task.cancel()


async def listed(end: DatabaseEnd) -> list[str]:
    calls, _ = await end.history.page(ALL, 100)
    return [call.id for call in calls]


def call(end: DatabaseEnd, number: int) -> Write:
    began = f"2026-09-21T14:13:{number:02}.000+00:00"
    return end.history.ended(ended_call(number, began), CALLER)


async def test_what_is_added_is_in_the_database_and_out_of_the_spool(
    tmp_path: Path, database_url: str | None
) -> None:
    written: list[int] = []
    async with open_database(tmp_path, database_url) as end, writing(end):
        for number in range(5):
            end.writes.add(call(end, number), written=lambda n=number: written.append(n))
        assert end.writes.waiting == 5
        await end.writes.flushed()
        assert len(await listed(end)) == 5
        assert written == [0, 1, 2, 3, 4]
        assert list((tmp_path / "spool").iterdir()) == []


async def test_what_a_killed_process_left_the_next_one_writes(
    tmp_path: Path, database_url: str | None
) -> None:
    """Its number was not hashed yet: the database had never been reached."""
    dead = DatabaseEnd(tmp_path, database_url, ("key",))
    dead.writes.add(call(dead, 1))
    await dead.writes.spooled()
    (file,) = (tmp_path / "spool").iterdir()
    assert b"555" not in file.read_bytes()
    async with open_database(tmp_path, database_url, ("key",)) as end, writing(end):
        end.writes.add(call(end, 2))
        await end.writes.flushed()
        assert await listed(end) == [f"CA{number:032}" for number in (2, 1)]
        earlier = await end.history.earlier_calls(CALLER)
        assert [one.id for one in earlier] == [f"CA{number:032}" for number in (2, 1)]
    await dead.close()


async def test_nothing_is_written_twice(tmp_path: Path) -> None:
    """A process died between the commit and the removal of the file."""
    async with open_database(tmp_path) as end, writing(end):
        end.writes.add(call(end, 1))
        await end.writes.flushed()
    async with open_database(tmp_path) as end, writing(end):
        end.writes.add(call(end, 1), call(end, 1))
        await end.writes.flushed()
        assert len(await listed(end)) == 1


async def test_what_no_database_takes_is_put_aside_and_does_not_hold_up_the_rest(
    tmp_path: Path,
) -> None:
    async with open_database(tmp_path) as end, writing(end):
        end.writes.add(Write("call", b"not a record"))
        end.writes.add(call(end, 1))
        await end.writes.flushed()
        assert len(await listed(end)) == 1
        assert end.lost == ["unwritable"]
        assert len(list((tmp_path / "spool" / "failed").iterdir())) == 1


async def test_a_file_that_cannot_be_read_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    """A bad block of the disk fails like a database that is away."""
    async with open_database(tmp_path, pause_first_s=0.001) as end:
        for number in range(10):
            end.writes.add(call(end, number))
        await end.writes.spooled()
        for file in sorted((tmp_path / "spool").glob("*.entry"))[:2]:
            file.unlink()
            file.mkdir()
        async with writing(end), asyncio.timeout(60):
            await end.writes.flushed()
        assert sorted(await listed(end)) == [f"CA{number:032}" for number in range(2, 10)]
        assert end.lost == ["unwritable"] * 2
        assert len(list((tmp_path / "spool" / "failed").iterdir())) == 2


REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'XX000'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON calls FOR EACH ROW WHEN ({}) EXECUTE FUNCTION refuse();
"""
"""`internal_error`, with which a server also says that it serves nothing."""


@pytest.mark.needs("initdb")
async def test_an_entry_at_which_the_server_fails_does_not_hold_up_the_rest(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    url = postgres.new_database()
    async with open_database(tmp_path, url, pause_first_s=0.001) as end:
        assert await listed(end) == []
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(REFUSES.format(f"NEW.id = 'CA{0:032}'").encode())
        with capture_logs() as logs:
            async with writing(end):
                for number in range(8):
                    end.writes.add(call(end, number))
                async with asyncio.timeout(60):
                    await end.writes.flushed()
        assert sorted(await listed(end)) == [f"CA{number:032}" for number in range(1, 8)]
        assert end.lost == ["unwritable"]
        assert [(line["reason"], line["log_level"]) for line in logs if "entry" in line] == [
            ("refused", "error")
        ]
        assert not end.database.away


@pytest.mark.needs("initdb")
async def test_an_outage_puts_nothing_aside(tmp_path: Path, postgres: PostgresEnd) -> None:
    """However often the oldest entry was tried meanwhile, and though others wait behind it."""
    url, loop, failures = postgres.new_database(), asyncio.get_running_loop(), asyncio.Semaphore(0)
    async with open_database(
        tmp_path,
        url,
        pause_first_s=0.001,
        failed=lambda: loop.call_soon_threadsafe(failures.release),
    ) as end:
        assert await listed(end) == []
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(REFUSES.format("true").encode())
            async with writing(end), asyncio.timeout(60):
                for number in range(8):
                    end.writes.add(call(end, number))
                for _ in range(2 * limits.database.WRITE_TRIES_IN_ORDER + 2):
                    await failures.acquire()
                connection.execute("DROP TRIGGER refuse ON calls")
                await end.writes.flushed()
        assert len(await listed(end)) == 8
        assert end.lost == []


def fill(folder: Path) -> Path:
    """Write until the disk takes not one byte more; return the file that can be deleted."""
    ballast = folder / "ballast"
    with ballast.open("wb", 0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    return ballast


@pytest.mark.needs("initdb", "mount")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
async def test_a_servers_disk_that_is_full_loses_nothing(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    loop, failed = asyncio.get_running_loop(), asyncio.Event()
    with postgres.small_disk(32) as (url, disk):
        async with (
            open_database(
                tmp_path,
                url,
                pause_first_s=0.01,
                failed=lambda: loop.call_soon_threadsafe(failed.set),
            ) as end,
            writing(end),
            asyncio.timeout(60),
        ):
            end.writes.add(call(end, 0))
            await end.writes.flushed()
            ballast = fill(disk)
            with capture_logs() as logs:
                for number in range(1, 100):  # the pages that there are have room for some
                    end.writes.add(end.history.ended(ended_call(number), CALLER))
                await failed.wait()
                await end.writes.spooled()
                assert list((tmp_path / "spool").glob("*.entry"))
                assert await listed(end), "what is there is read"
                ballast.unlink()
                await end.writes.flushed()
            assert len(await listed(end)) == 100
            assert end.lost == []
            assert {line["reason"] for line in logs if "reason" in line} == {"53100"}


SLEEPS = """
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER sleep BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION sleep();
"""


@pytest.mark.needs("initdb")
async def test_a_statement_that_is_too_slow_is_given_up_and_done_later(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    url, loop, given_up = postgres.new_database(), asyncio.get_running_loop(), asyncio.Event()
    async with open_database(
        tmp_path,
        url,
        pause_first_s=0.5,
        failed=lambda: loop.call_soon_threadsafe(given_up.set),
    ) as end:
        assert await listed(end) == []
        with (
            capture_logs() as logs,
            await asyncio.to_thread(psycopg.connect, url, autocommit=True) as connection,
        ):
            connection.execute(SLEEPS.encode())
            async with writing(end), asyncio.timeout(60):
                end.writes.add(call(end, 1))
                await given_up.wait()
                connection.execute("DROP TRIGGER sleep ON calls")
                await end.writes.flushed()
        assert len(await listed(end)) == 1
        assert end.lost == []
        assert [line["reason"] for line in logs if "reason" in line] == ["57014"]


async def test_a_spool_that_fails_costs_nothing_while_the_database_serves(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    async with open_database(tmp_path) as end, writing(end):
        end.writes.add(call(end, 1))
        await end.writes.flushed()
        assert (await listed(end), end.lost) == ([f"CA{1:032}"], [])


@pytest.mark.needs("initdb")
async def test_an_outage_loses_nothing_and_writes_nothing_twice(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    url = postgres.new_database()
    async with open_database(tmp_path, url) as end, writing(end):
        end.writes.add(call(end, 1))
        await end.writes.flushed()
        await asyncio.to_thread(postgres.stop)
        try:
            for number in range(2, 6):
                end.writes.add(call(end, number))
            await end.writes.spooled()
            assert len(list((tmp_path / "spool").glob("*.entry"))) == 4
        finally:
            await asyncio.to_thread(postgres.start)
        await end.writes.flushed()
        assert await listed(end) == [f"CA{number:032}" for number in (5, 4, 3, 2, 1)]
        assert end.lost == []


async def test_a_process_that_stops_writes_what_it_can(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        for number in range(20):
            end.writes.add(call(end, number))
    async with open_database(tmp_path) as end:
        assert len(await listed(end)) == 20


# --- Pauses and tries: a database that a test answers for ---


class Answering(Database):
    """A database that serves a write, or does not, as a test says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(database_address(None, folder))
        self.fails: dict[int, int] = {}
        """How often it does not take an entry, by its number."""
        self.entries: list[int] = []
        self.asked_at_s: list[float] = []
        self._entry = -1

    def apply(self, _connection: object, data: bytes) -> None:
        self._entry = int(data)

    async def write(self, work: Any) -> Any:
        work(None)
        self.entries.append(self._entry)
        self.asked_at_s.append(now_s())
        if self.fails.get(self._entry):
            self.fails[self._entry] -= 1
            raise DatabaseAway("away")


class Books:
    """Writes behind, at such a database."""

    def __init__(self, folder: Path) -> None:
        self.database, self.spool = Answering(folder), Spool(folder / "spool", Sealer())
        self.lost: list[str] = []
        self.writes = WriteBehind(
            self.database,
            self.spool,
            {"number": self.database.apply},
            self.lost.append,
            pause_first_s=1.0,
        )

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.writes.add(Write("number", str(number).encode()))

    async def begun(self, *numbers: int) -> asyncio.Task[None]:
        self.add(*numbers)
        await self.writes.spooled()
        return asyncio.create_task(self.writes.run())


def test_pauses_double_to_half_a_minute_and_begin_anew_after_a_success(tmp_path: Path) -> None:
    books = Books(tmp_path)

    async def run() -> None:
        books.database.fails = {1: 7, 2: 2}
        running = await books.begun(1)
        await books.writes.flushed()
        books.add(2)
        await books.writes.flushed()
        running.cancel()

    skipping(run())
    assert books.database.entries == [1] * 8 + [2] * 3
    first, second = books.database.asked_at_s[:8], books.database.asked_at_s[8:]
    assert [later - one for one, later in pairwise(first)] == [1, 2, 4, 8, 16, 30, 30]
    assert [later - one for one, later in pairwise(second)] == [1, 2]
    assert books.lost == []


def test_others_are_tried_beside_an_entry_that_is_never_taken(tmp_path: Path) -> None:
    """Each time another one; and when three of them were taken, the fault is its own."""
    books = Books(tmp_path)
    in_order = limits.database.WRITE_TRIES_IN_ORDER

    async def run() -> None:
        books.database.fails = {0: 99}
        running = await books.begun(0, 1, 2, 3, 4)
        await books.writes.flushed()
        running.cancel()

    with capture_logs() as logs:
        skipping(run())
    tried = books.database.entries
    assert tried[:in_order] == [0] * in_order
    beside = tried[in_order : in_order + 5 : 2]
    assert tried[in_order : in_order + 5] == [beside[0], 0, beside[1], 0, beside[2]]
    assert len({*beside}) == limits.database.WRITE_REFUSALS_MAX
    assert sorted(beside + tried[in_order + 5 :]) == [1, 2, 3, 4], "none is written twice"
    assert books.lost == ["unwritable"]
    assert [(line["event"], line["reason"]) for line in logs] == [("entry_unwritable", "refused")]
    assert len(list((tmp_path / "spool" / "failed").iterdir())) == 1


def test_who_comes_to_their_turn_begins_without_failures(tmp_path: Path) -> None:
    books = Books(tmp_path)
    nearly = limits.database.WRITE_TRIES_IN_ORDER - 1

    async def run() -> None:
        books.database.fails = {0: nearly, 1: nearly}
        running = await books.begun(0, 1, 2)
        await books.writes.flushed()
        running.cancel()

    skipping(run())
    in_order = [0] * (nearly + 1) + [1] * (nearly + 1) + [2]
    assert books.database.entries == in_order, "none failed often enough"


async def test_what_waits_is_counted_wherever_it_is(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.add(1, 2, 3)
    assert books.writes.waiting == 3
    await books.writes.spooled()
    assert books.writes.waiting == 3
    running = asyncio.create_task(books.writes.run())
    await books.writes.flushed()
    running.cancel()
    assert (books.writes.waiting, books.lost) == (0, [])


async def test_more_than_the_spool_holds_is_lost_and_nobody_waits_for_it(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.writes.add(Write("number", b"0" * limits.database.SPOOL_ENTRY_MAX_BYTES))
    books.add(1)
    await books.writes.spooled()
    assert (books.lost, books.writes.waiting) == (["backlog"], 1)
    await books.writes.close()


async def test_what_comes_while_the_disk_hangs_is_lost_beyond_a_bound(tmp_path: Path) -> None:
    books, most = Books(tmp_path), limits.database.SPOOL_QUEUE_MAX
    hangs, goes_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def now_ns() -> int:
        loop.call_soon_threadsafe(hangs.set)
        goes_on.wait(20)
        raise PermissionError

    spool = Spool(tmp_path / "other", Sealer(), now_ns)
    books.database.fails = {0: 1}
    writes = WriteBehind(books.database, spool, {"number": books.database.apply}, books.lost.append)
    writes.add(Write("number", b"0"))
    await hangs.wait()
    for _ in range(most):
        writes.add(Write("number", b"1"))
    assert (books.lost, writes.waiting) == ([], most + 1)
    writes.add(Write("number", b"2"))
    assert (books.lost, writes.waiting) == (["backlog"], most + 1)
    goes_on.set()
    with capture_logs():  # a line for each entry that the disk does not take
        await writes.close()


async def test_an_entry_at_which_the_spool_itself_fails_is_lost_and_nobody_waits_for_it(
    tmp_path: Path,
) -> None:
    books, times = Books(tmp_path), iter([1, 2])

    def now_ns() -> int:
        if next(times) == 1:
            raise ZeroDivisionError
        return 2

    spool = Spool(tmp_path / "other", Sealer(), now_ns)
    writes = WriteBehind(books.database, spool, {"number": books.database.apply}, books.lost.append)
    with capture_logs() as logs:
        writes.add(Write("number", b"1"))
        writes.add(Write("number", b"2"))
        async with asyncio.timeout(20):
            await writes.spooled()
    assert (books.lost, writes.waiting) == (["unwritable"], 1)
    assert [(line["event"], line["log_level"]) for line in logs] == [("spool_failed", "error")]
    await writes.close()
    assert books.database.entries == [2]


async def test_what_the_disk_does_not_take_is_kept_in_memory_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    books = Books(tmp_path)
    most = limits.database.SPOOL_QUEUE_MAX
    for number in range(most + 1):
        books.add(number)
        if number % 100 == 0:
            await books.writes.spooled()
    await books.writes.spooled()
    assert (books.lost, books.writes.waiting) == (["disk"], most)


async def test_a_process_that_stops_gives_up_a_database_that_is_away(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.database.fails = {1: 99}
    books.add(1, 2)
    await books.writes.close()
    assert books.database.entries == [1], "once; the next process does the rest"
    assert len(list((tmp_path / "spool").glob("*.entry"))) == 2
    await books.writes.close()
    assert books.database.entries == [1], "closed once"


async def test_a_write_that_is_under_way_when_the_process_stops_is_done_once(
    tmp_path: Path,
) -> None:
    books, goes_on = Books(tmp_path), asyncio.Event()
    begun = asyncio.Event()

    class Slow(Answering):
        async def write(self, work: Any) -> Any:
            begun.set()
            await goes_on.wait()
            return await super().write(work)

    slow = Slow(tmp_path)
    writes = WriteBehind(slow, books.spool, {"number": slow.apply})
    writes.add(Write("number", b"7"))
    running = asyncio.create_task(writes.run())
    await begun.wait()
    closing = asyncio.create_task(writes.close())
    await asyncio.sleep(0)
    goes_on.set()
    await closing
    assert (slow.entries, running.cancelled(), writes.waiting) == ([7], True, 0)
