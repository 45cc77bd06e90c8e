"""Migrations: applied when a process opens the database, by one process at a time.

A migration only adds: while a deployment is under way, processes of the version before go on
reading and writing. So a database that is newer than this process is used as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, inspect, select, text

from gateway import limits
from gateway.ops.database.schema import migrations

log = structlog.get_logger()
REVISIONS: Final = ("0001", "0002", "0003", "0004")
"""Every migration, in order."""
_LOCK: Final = 0x6761746577617901
_FOLDER: Final = Path(__file__).with_name("migrations")


def version_of(connection: Connection) -> str | None:
    """Return the last migration of this database, None for an empty one."""
    if not inspect(connection).has_table(migrations.name):
        return None
    found: str | None = connection.execute(select(migrations.c.version_num)).scalar()
    return found


def migrate(connection: Connection) -> None:
    """Bring the tables to the newest version, in the transaction of this connection."""
    if version_of(connection) == REVISIONS[-1]:
        return  # nearly always: Alembic, which takes 12 MB, is not imported for that
    if connection.dialect.name == "postgresql":
        wait_ms = round(limits.database.MIGRATION_MAX_S * 1000)
        for name in ("lock_timeout", "statement_timeout"):
            connection.execute(text(f"SET LOCAL {name} = {wait_ms}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    # SQLite has the lock since its transaction began. Another process may have been first.
    version = version_of(connection)
    if version == REVISIONS[-1]:
        return
    if version is not None and version not in REVISIONS:
        log.warning("database_newer", version=version, known=REVISIONS[-1])
        return
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    log.info("database_migrated", version=REVISIONS[-1], before=version)
