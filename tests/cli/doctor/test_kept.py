"""Database, recordings' store and receiver of events, right and wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from database_end import DatabaseEnd
from postgres_end import PostgresEnd
from sqlalchemy import func, select, text

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook
from gateway.cli.doctor import kept
from gateway.cli.doctor.check import Finding, run_all
from gateway.ops.database.schema import keys
from gateway.settings import Settings, load_settings

CERTIFICATE = Path(__file__).parents[2] / "transports" / "localhost.pem"
SECRET = "whsec_bmV3IHNlY3JldA=="


def settings(folder: Path, **environ: str) -> Settings:
    return load_settings({"GATEWAY_DATA_DIR": str(folder), **environ}, simulated=True)


def book(*, records: bool) -> AgentBook:
    recording = {"recording": {"consent": "Recorded."}} if records else {}
    agent = Agent.model_validate({"name": "desk", "instructions": "Hi.", **recording})
    return AgentBook({"desk": agent}, [])


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def database(folder: Path, url: str | None = None) -> Finding:
    (found,) = await kept.database(settings(folder, **({"GATEWAY_DATABASE": url} if url else {})))
    assert bool(found.fix) == (found.status in ("warn", "fail"))
    assert "s3cret" not in found.detail + found.fix
    return found


async def test_a_database_is_tried_and_left_as_it_was(
    tmp_path: Path, database_url: str | None
) -> None:
    if database_url is None:
        assert (await database(tmp_path)).detail == "is made at the first start"
        assert files(tmp_path) == []
        (tmp_path / "gateway.sqlite3").touch()
    found = await database(tmp_path, database_url)
    assert found.status == "ok"
    assert found.detail.endswith("it is migrated at the next start")
    end = DatabaseEnd(tmp_path, database_url)
    await end.database.read(lambda _: None)
    count = await end.database.read(lambda c: c.scalar(select(func.count()).select_from(keys)))
    found = await database(tmp_path, database_url)
    assert (found.status, found.detail) == ("ok", "answers, is migrated, and can be written")
    assert count == await end.database.read(
        lambda c: c.scalar(select(func.count()).select_from(keys))
    )
    await end.database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num=9")))
    found = await database(tmp_path, database_url)
    assert (found.status, "later version (9)" in found.detail) == ("warn", True)
    await end.close()


@pytest.mark.needs("initdb")
async def test_a_server_that_refuses_says_why(tmp_path: Path, postgres: PostgresEnd) -> None:
    postgres_url = postgres.new_database()
    base, _, name = postgres_url.rpartition("/")
    user = base.partition("//")[2].partition(":")[0]
    wrong = base.replace(f"{user}:secret", f"{user}:s3cret")
    found = await database(tmp_path, f"{wrong}/{name}")
    assert (found.status, found.detail) == ("fail", "does not accept the password")
    assert (await database(tmp_path, f"{base}/none")).detail == "has no such database or user"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('0004')")
        connection.execute("CREATE TABLE keys (name text, sealed_value bytea, made_at bigint)")
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')  # type: ignore[arg-type] # a name
    found = await database(tmp_path, postgres_url)
    assert (found.detail, "primary" in found.fix) == ("may only be read", True)


async def test_a_server_that_is_not_there_and_a_file_that_is_none(tmp_path: Path) -> None:
    found = await database(tmp_path, "postgresql://u:s3cret@127.0.0.1:9/x")
    assert (found.status, found.detail) == ("fail", "cannot be reached")
    (tmp_path / "notes.txt").write_text("no database " * 500)
    found = await database(tmp_path, f"sqlite:///{tmp_path}/notes.txt")
    assert (found.status, found.detail) == ("fail", "is no SQLite database")


async def test_an_object_is_put_got_and_deleted(tmp_path: Path) -> None:
    (found,) = await kept.recordings(settings(tmp_path), book(records=False))
    assert found.status == "skip"
    assert files(tmp_path) == []
    (found,) = await kept.recordings(settings(tmp_path), book(records=True))
    assert (found.status, found.detail) == ("ok", "an object was put, got and deleted")
    assert files(tmp_path) == []


async def test_a_store_that_does_not_take_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    where = settings(tmp_path, GATEWAY_RECORDINGS=f"file://{tmp_path}/file/recordings")
    (found,) = await kept.recordings(where, book(records=False))
    assert found.status == "fail"
    assert "GATEWAY_RECORDINGS" in found.detail + found.fix


@contextlib.asynccontextmanager
async def receiver(*, tls: bool) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port, and what was sent to it."""
    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.read())
        writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], said


async def events(url: str, folder: Path) -> Finding:
    where = settings(folder, GATEWAY_EVENTS_URL=url, GATEWAY_EVENTS_SECRET=SECRET)
    (found,) = await run_all([("events", lambda: kept.events(where))])
    return found


async def test_a_receiver_is_connected_to_and_gets_nothing(tmp_path: Path) -> None:
    (found,) = await kept.events(settings(tmp_path))
    assert found.status == "skip"
    async with receiver(tls=False) as (port, said):
        found = await events(f"http://127.0.0.1:{port}/events?key=s3cret", tmp_path)
        assert (found.name, found.status) == ("events 127.0.0.1", "ok")
    async with asyncio.timeout(20):
        while not said:  # noqa: ASYNC110 - nobody says
            await asyncio.sleep(0.01)
    assert said == [b""]


async def test_a_receiver_that_cannot_be_trusted_or_found(tmp_path: Path) -> None:
    async with receiver(tls=True) as (port, _):
        found = await events(f"https://localhost:{port}/", tmp_path)
    assert (found.status, found.detail.startswith("TLS: ")) == ("fail", True)
    found = await events("https://127.0.0.1:9/", tmp_path)
    assert found.detail == "the connection is refused"
    found = await events("https://no.such.host.invalid/", tmp_path)
    assert found.detail == "the host's name is not known"
