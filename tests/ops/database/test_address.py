"""GATEWAY_DATABASE, and the engine that it stands for."""

from __future__ import annotations

import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from postgres_end import PostgresEnd
from sqlalchemy import event, text
from sqlalchemy.exc import DatabaseError, OperationalError

from gateway import limits
from gateway.ops.database.address import WRITES, database_address, open_engine
from gateway.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("setting", "kind", "file"),
    [
        (None, "sqlite", "data/gateway.sqlite3"),
        ("sqlite:///records.db", "sqlite", "records.db"),
        ("sqlite:////var/lib/records.db", "sqlite", "/var/lib/records.db"),
        ("postgresql://me:pw@db.example:5432/gateway", "postgresql", None),
        ("postgres://db/gateway?sslmode=require", "postgresql", None),
    ],
)
def test_the_setting_names_a_database(setting: str | None, kind: str, file: str | None) -> None:
    address = database_address(setting, Path("data"))
    assert (address.kind, address.file) == (kind, Path(file) if file else None)
    if file is None:
        assert address.url.startswith("postgresql+psycopg://")


def load(value: str) -> Settings:
    return load_settings({"GATEWAY_DATABASE": value}, simulated=True)


@pytest.mark.parametrize("value", ["mysql://x/y", "sqlite://", "postgresql://", "records.db"])
def test_any_other_is_refused(value: str) -> None:
    with pytest.raises(Exception, match="GATEWAY_DATABASE must be sqlite:///PATH or postgresql"):
        load(value)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(load("postgresql://me:hunter2@db/gateway"))


def test_the_file_and_its_folder_are_only_ours(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deep"
    address = database_address(None, folder)
    engine = open_engine(address)
    connection = engine.connect().execution_options(**{WRITES: True})
    with connection, connection.begin():
        connection.execute(text("CREATE TABLE one (id INTEGER)"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    engine.dispose()
    assert len(modes) == 3, "the write-ahead log has two files of its own"
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_more_rights_are_given_than_that_whatever_the_process_gives_by_default(
    tmp_path: Path,
) -> None:
    before = os.umask(0)
    try:
        open_engine(database_address(None, tmp_path / "data")).dispose()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "gateway.sqlite3").stat().st_mode) == 0o600


def test_sqlite_is_safe_forgets_and_is_locked_by_whoever_writes(tmp_path: Path) -> None:
    engine = open_engine(database_address(None, tmp_path))
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, text, *_: said.append(text))
    connection = engine.connect()
    with connection, connection.begin():
        names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "busy_timeout")
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names]
    assert found == ["wal", 2, 1, 1, round(limits.database.STATEMENT_MAX_S * 1000)]
    connection = engine.connect().execution_options(**{WRITES: True})
    with connection, connection.begin():
        pass
    assert [one for one in said if one.startswith("BEGIN")] == ["BEGIN", "BEGIN IMMEDIATE"]
    engine.dispose()


class NotNow(Exception):
    """No connection is made."""


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        (None, {"timeout": limits.database.STATEMENT_MAX_S, "check_same_thread": False}),
        (
            "postgresql://db/gateway",
            {
                "host": "db",
                "dbname": "gateway",
                "connect_timeout": 3,
                "application_name": "gateway",
                "prepare_threshold": None,
                "tcp_user_timeout": 10_000,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 2,
            },
        ),
    ],
)
def test_every_wait_for_a_database_is_bounded(
    tmp_path: Path, setting: str | None, asked: dict[str, object]
) -> None:
    engine = open_engine(database_address(setting, tmp_path))
    seen: list[dict[str, object]] = []

    def connect(_dialect: object, _record: object, _arguments: object, named: Any) -> None:
        seen.append({name: value for name, value in named.items() if name != "context"})
        raise NotNow

    event.listen(engine, "do_connect", connect)
    with pytest.raises(NotNow):
        engine.connect()
    assert seen == [asked]
    pool: Any = engine.pool
    assert (pool.size(), pool._max_overflow) == (1, 0)
    if setting is not None:
        assert (pool._pre_ping, pool._recycle) == (True, limits.database.RECYCLE_S)
    engine.dispose()


@pytest.mark.needs("initdb")
def test_a_server_is_told_how_long_it_may_take(tmp_path: Path, postgres: PostgresEnd) -> None:
    engine = open_engine(database_address(postgres.new_database(), tmp_path))
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with engine.connect() as connection:
        told = [connection.execute(text(f"SHOW {name}")).scalar() for name in names]
    engine.dispose()
    assert told == ["5s", "3s", "10s"]


def test_a_new_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    address = database_address(None, tmp_path)
    other = sqlite3.connect(tmp_path / "gateway.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE one (id INTEGER)")
    engine = open_engine(address)
    with ThreadPoolExecutor(1) as threads:
        opening = threads.submit(engine.connect)
        with pytest.raises(TimeoutError):
            opening.result(0.1)
        other.execute("COMMIT")
        other.close()
        with opening.result(30) as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()


def test_a_new_file_that_stays_locked_is_given_up(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "gateway.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    engine = open_engine(database_address(None, tmp_path), wait_max_s=0.05)
    with pytest.raises(OperationalError, match="database is locked"):
        engine.connect()
    engine.dispose()
    other.close()


def test_a_file_that_is_no_database_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "gateway.sqlite3").write_text("a letter, and no database" * 100)
    engine = open_engine(database_address(None, tmp_path))
    with pytest.raises(DatabaseError, match="not a database"):
        engine.connect()
    engine.dispose()
