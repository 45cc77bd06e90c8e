"""Migrations: from nothing to the tables that the code has, once, by one process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
import structlog
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from database_end import DatabaseEnd, open_database
from postgres_end import PostgresEnd
from sqlalchemy import Connection, inspect, text

from gateway.ops.database.migrate import REVISIONS, version_of
from gateway.ops.database.schema import metadata, migrations


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def row_names(connection: Connection) -> dict[str, list[str]]:
    """By table the columns that name a row, which Alembic does not compare."""
    found = inspect(connection)
    return {
        name: found.get_pk_constraint(name)["constrained_columns"]
        for name in found.get_table_names()
        if name != migrations.name
    }


async def test_the_migrations_make_the_tables_of_the_schema(
    tmp_path: Path, database_url: str | None
) -> None:
    async with open_database(tmp_path, database_url) as end:
        assert await end.database.read(differences) == []
        assert await end.database.read(row_names) == {
            table.name: [column.name for column in table.primary_key]
            for table in metadata.sorted_tables
        }
        assert await end.database.read(version_of) == REVISIONS[-1]


async def test_processes_that_start_together_migrate_once(
    tmp_path: Path, database_url: str | None
) -> None:
    ends = [DatabaseEnd(tmp_path, database_url) for _ in range(4)]
    with structlog.testing.capture_logs() as entries:
        await asyncio.gather(*(end.database.read(version_of) for end in ends))
    assert [e["event"] for e in entries].count("database_migrated") == 1
    hashes = {await end.history.hash_of("+15550100") for end in ends}
    assert len(hashes) == 1, "the first one's key is everybody's"
    for end in ends:
        await end.close()


LOCK = 0x6761746577617901
"""By it processes of this version and of those before wait for each other."""


@pytest.mark.needs("initdb")
async def test_a_process_waits_while_one_of_another_version_migrates(
    tmp_path: Path, postgres: PostgresEnd
) -> None:
    url = postgres.new_database()
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with await psycopg.AsyncConnection.connect(url) as other:
        await other.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())
        end = DatabaseEnd(tmp_path, url)
        opening = asyncio.create_task(end.database.read(version_of))
        async with asyncio.timeout(30):
            while not opening.done():
                if await (await other.execute(waits)).fetchone() == (1,):
                    break
                await asyncio.sleep(0.01)
        assert not opening.done()
        await other.commit()
        assert await opening == REVISIONS[-1]
        await end.close()


async def test_a_database_of_a_later_version_is_used_as_it_is(
    tmp_path: Path, database_url: str | None
) -> None:
    """A deployment is under way, and this is an old process that starts again."""
    async with open_database(tmp_path, database_url) as end:
        await end.database.write(
            lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        )
    with structlog.testing.capture_logs() as entries:
        async with open_database(tmp_path, database_url) as end:
            assert await end.database.read(version_of) == "9999"
    assert "database_newer" in [entry["event"] for entry in entries]


def test_every_file_is_named_in_the_order() -> None:
    folder = Path(__file__).parents[3] / "gateway/ops/database/migrations/versions"
    files = sorted(file.name for file in folder.glob("m*.py"))
    assert [name[1:5] for name in files] == list(REVISIONS)
