"""Inserts that do nothing where the row is there already, in both dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; False where one with its key is there already."""
    new = _insert(connection, table).values(**row).on_conflict_do_nothing()
    return connection.execute(new.returning(*table.primary_key)).first() is not None


def _insert(connection: Connection, table: Table) -> PostgreSQLInsert | SQLiteInsert:
    # The other dialect is 2 MB that are never used.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(table)
