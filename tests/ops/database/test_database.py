"""One thread has the database; others await it, and go on while it is away."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from database_end import DatabaseEnd, open_database
from postgres_end import PostgresEnd
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from structlog.testing import capture_logs

from gateway import limits
from gateway.errors import DatabaseAway, DatabaseBusy
from gateway.ops.database.address import FILE_NAME, database_address
from gateway.ops.database.database import Database


@pytest.fixture
async def end(tmp_path: Path, database_url: str | None) -> AsyncIterator[DatabaseEnd]:
    async with open_database(tmp_path, database_url) as end:
        yield end


def one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


async def test_work_is_done_on_one_thread_of_its_own(end: DatabaseEnd) -> None:
    names = await asyncio.gather(
        *(end.database.read(lambda _: threading.current_thread().name) for _ in range(9))
    )
    assert set(names) == {"database"}


async def test_a_write_that_fails_changes_nothing(end: DatabaseEnd) -> None:
    def fails(connection: Connection) -> None:
        connection.execute(text("INSERT INTO keys VALUES ('one', '1', 1)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await end.database.write(fails)
    query = text("SELECT count(*) FROM keys WHERE name = 'one'")
    assert await end.database.read(lambda c: c.execute(query).scalar_one()) == 0
    assert not end.database.away


async def test_a_wrong_statement_is_not_an_outage(end: DatabaseEnd) -> None:
    with pytest.raises(IntegrityError):
        await end.database.write(
            lambda c: c.execute(text("INSERT INTO keys (name, made_at) VALUES ('one', 1)"))
        )
    assert not end.database.away


async def test_reads_are_served_while_another_process_writes(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await end.database.read(one)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await end.database.read(one) == 1


async def test_more_than_the_thread_can_take_is_refused(tmp_path: Path) -> None:
    database, goes_on = Database(database_address(None, tmp_path)), threading.Event()
    begun = threading.Event()
    first = asyncio.create_task(database.read(lambda _: (begun.set(), goes_on.wait(30))))
    await asyncio.to_thread(begun.wait, 30)
    more = [asyncio.create_task(database.read(one)) for _ in range(limits.database.JOBS_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseBusy):
        await database.read(one)
    goes_on.set()
    await asyncio.gather(first, *more)
    await database.close()
    with pytest.raises(DatabaseAway):
        await database.read(one)


@pytest.mark.needs("initdb")
async def test_a_server_that_is_gone_is_away_until_it_is_back(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    failures: list[int] = []
    address = database_address(postgres.new_database(), tmp_path)
    database = Database(address, failed=lambda: failures.append(1))
    assert await database.read(one) == 1
    await asyncio.to_thread(postgres.stop)
    try:
        for _ in range(3):
            with pytest.raises(DatabaseAway):
                await database.read(one)
        assert database.away
        assert len(failures) < 3, "in between nobody waits for a connection"
    finally:
        await asyncio.to_thread(postgres.start)
    async with asyncio.timeout(30):
        while database.away:
            await asyncio.sleep(0.05)
            try:
                assert await database.read(one) == 1
            except DatabaseAway:
                continue
    await database.close()


@pytest.mark.needs("initdb")
async def test_no_address_or_password_is_in_an_error(tmp_path: Path) -> None:
    address = database_address("postgresql://me:secret@127.0.0.1:9/gateway", tmp_path)
    database = Database(address)
    with pytest.raises(DatabaseAway) as raised:
        await database.read(one)
    assert "secret" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    await database.close()


@pytest.mark.needs("initdb")
@pytest.mark.parametrize(
    ("state", "away"),
    [
        ("25006", True),  # a standby
        ("40P01", True),
        ("42501", True),  # no right: another user after a rotation
        ("53100", True),  # the disk is full
        ("53300", True),
        ("55P03", True),
        ("57014", True),  # statement_timeout
        ("58030", True),
        ("XX001", True),  # a damaged index
        ("22P05", False),
        ("23505", False),
        ("42601", False),
    ],
)
async def test_an_entry_is_kept_for_what_is_not_its_fault(
    tmp_path: Path, postgres: PostgresEnd, state: str, away: bool
) -> None:
    """What is not away is put aside, and nobody writes it again."""
    database = Database(database_address(postgres.new_database(), tmp_path))
    fails = text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")
    with pytest.raises(DatabaseAway if away else DBAPIError):
        await database.write(lambda connection: connection.execute(fails))
    assert database.away == away
    await database.close()


@pytest.mark.needs("initdb")
async def test_a_server_that_lost_its_tables_gets_them_again(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    """As one that was set up anew under the same name."""
    address = database_address(postgres.new_database(), tmp_path)
    database = Database(address)
    insert = text("INSERT INTO keys VALUES ('one', '1', 1)")
    await database.read(one)
    await database.write(lambda c: c.execute(text("DROP SCHEMA public CASCADE")))
    await database.write(lambda c: c.execute(text("CREATE SCHEMA public")))
    with pytest.raises(DatabaseAway, match="42P01"):
        await database.write(lambda connection: connection.execute(insert))
    await database.write(lambda connection: connection.execute(insert))
    assert not database.away
    await database.close()


@pytest.mark.needs("initdb")
async def test_a_server_that_reads_only_is_away_until_it_writes(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    """Told once each, though every page of the console is read from it meanwhile."""
    url = postgres.new_database()
    database = Database(database_address(url, tmp_path))
    insert = text("INSERT INTO keys VALUES ('one', '1', 1)")
    await database.read(one)
    await asyncio.to_thread(_reads_only, postgres, url, True)
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(DatabaseAway, match="read_only"):
                await database.write(lambda connection: connection.execute(insert))
            assert await database.read(one) == 1
        await asyncio.to_thread(_reads_only, postgres, url, False)
        await database.write(lambda connection: connection.execute(insert))
    assert [line["event"] for line in logs] == ["database_unavailable", "database_available"]
    await database.close()


def _reads_only(postgres: PostgresEnd, url: str, only: bool) -> None:
    """Have the server refuse writes, or take them again, for whoever connects from now on."""
    name = url.rpartition("/")[2]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = {only}'  # type: ignore[call-overload] # a name
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )


async def test_what_was_deleted_leaves_the_journal_too(tmp_path: Path) -> None:
    """SQLite overwrites it in its file, and leaves it in the write-ahead log."""
    secret = b"the words of a caller"
    async with open_database(tmp_path) as end:
        values = {"value": secret}
        insert = text("INSERT INTO keys VALUES ('one', :value, 1)")
        await end.database.write(lambda c: c.execute(insert, values))
        await end.database.write(lambda c: c.execute(text("DELETE FROM keys WHERE name = 'one'")))
        assert secret in _files(tmp_path), "there is nothing to be done"
        reader = sqlite3.connect(tmp_path / "gateway.sqlite3")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM keys").fetchone()
        assert not await end.database.empty_journal(), "another process still sees it"
        reader.close()
        assert await end.database.empty_journal()
        assert secret not in _files(tmp_path)


async def test_a_servers_journal_is_not_ours(end: DatabaseEnd) -> None:
    assert await end.database.empty_journal()


def _files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("gateway.sqlite3*"))


async def test_a_database_that_is_closed_has_no_thread_any_more(tmp_path: Path) -> None:
    def threads() -> int:
        return sum(thread.name == "database" for thread in threading.enumerate())

    before, database = threads(), Database(database_address(None, tmp_path))
    assert not database.tried
    await database.close()  # nobody has asked it anything
    database = Database(database_address(None, tmp_path))
    assert await database.read(one) == 1
    assert (threads(), database.tried, database.kind) == (before + 1, True, "sqlite")
    await database.close()
    assert threads() == before


def test_a_command_has_the_database_without_a_thread(tmp_path: Path) -> None:
    failures: list[int] = []
    database = Database(database_address(None, tmp_path), failed=lambda: failures.append(1))
    insert = text("INSERT INTO keys VALUES ('one', '1', 1)")
    database.run(lambda c: c.execute(insert), writes=True)
    assert database.run(lambda c: c.execute(text("SELECT name FROM keys")).scalars().all()) == [
        "one"
    ]
    database.dispose()
    assert (database.tried, failures) == (False, [])
    assert database.run(one) == 1, "it is opened again"
    database.dispose()


async def test_a_disk_that_fails_is_told_once_and_not_asked_at_once_again(tmp_path: Path) -> None:
    failures: list[int] = []
    (tmp_path / "gateway.sqlite3").mkdir()
    database = Database(database_address(None, tmp_path), failed=lambda: failures.append(1))
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(DatabaseAway):
                await database.read(one)
        assert (database.away, database.tried, failures) == (True, True, [1])
    assert [(line["event"], line["reason"]) for line in logs] == [("database_unavailable", "disk")]
    await database.close()
