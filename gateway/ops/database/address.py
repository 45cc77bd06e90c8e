"""Address of the database, and the engine that it stands for.

SQLAlchemy is imported by `open_engine`, on the database's own thread: it takes 0.2 s and 11 MB.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from gateway import limits
from gateway.ops.database.spool import make_private

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FILE_NAME: Final = "gateway.sqlite3"
WRITES: Final = "gateway_writes"
"""Execution option of a connection whose transaction writes."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is: a file, or a PostgreSQL server."""

    url: str
    file: Path | None
    """Of SQLite."""

    @property
    def kind(self) -> str:
        return "postgresql" if self.file is None else "sqlite"


def database_address(setting: str | None, data_dir: Path) -> DatabaseAddress:
    """Return the address for GATEWAY_DATABASE, by default a file in GATEWAY_DATA_DIR."""
    if setting is None:
        file = data_dir / FILE_NAME
        return DatabaseAddress(f"sqlite:///{file}", file)
    scheme, _, rest = setting.partition("://")
    if scheme == "sqlite":
        return DatabaseAddress(setting, Path(rest.removeprefix("/")))
    # The driver is named here: both spellings of the scheme mean the same server.
    return DatabaseAddress(f"postgresql+psycopg://{rest}", None)


def open_engine(
    address: DatabaseAddress, *, wait_max_s: float = limits.database.STATEMENT_MAX_S
) -> Engine:
    """Return an engine with one connection, whose every wait is bounded.

    wait_max_s: how long SQLite waits for another process.
    """
    from sqlalchemy import create_engine, event  # noqa: PLC0415 - see above

    if address.file is not None:
        _make_file(address.file)
        engine = create_engine(
            f"sqlite:///{address.file}",
            pool_size=1,
            max_overflow=0,
            connect_args={"timeout": wait_max_s, "check_same_thread": False},
        )
        event.listen(engine, "connect", partial(_set_up_sqlite, wait_max_s=wait_max_s))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    silent_ms = round(limits.database.PEER_SILENT_MAX_S * 1000)
    engine = create_engine(
        address.url,
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=limits.database.RECYCLE_S,
        connect_args={
            "connect_timeout": round(limits.database.CONNECT_MAX_S),
            "application_name": "gateway",
            # Statements prepared by name do not survive a pooler between us and the server.
            "prepare_threshold": None,
            "tcp_user_timeout": silent_ms,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
        },
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _make_file(file: Path) -> None:
    """Make the file for this user only; what SQLite puts beside it has the same mode."""
    make_private(file.parent)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any, *, wait_max_s: float) -> None:
    # The driver begins no transaction by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    _keep_write_ahead_log(connection, wait_max_s)
    for pragma in ("synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _keep_write_ahead_log(connection: sqlite3.Connection, wait_max_s: float) -> None:
    """Let the file have a write-ahead log, and wait for other processes.

    While another process writes into a new file, or does the same, SQLite refuses this at once: it
    does not wait as it does for other statements.
    """
    until = monotonic() + wait_max_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
        sleep(limits.database.LOCKED_PAUSE_S)


def _begin_sqlite(connection: Connection) -> None:
    """Begin with the lock that a write needs: taken later, it could fail in the middle."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    # By statements, and not as options of the connection, which poolers refuse.
    with connection.cursor() as cursor:
        for name, value_s in (
            ("statement_timeout", limits.database.STATEMENT_MAX_S),
            ("lock_timeout", limits.database.LOCK_MAX_S),
            ("idle_in_transaction_session_timeout", limits.database.PEER_SILENT_MAX_S),
        ):
            cursor.execute(f"SET {name} = {round(value_s * 1000)}")
    connection.commit()
