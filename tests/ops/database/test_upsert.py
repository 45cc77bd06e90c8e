"""Inserts that do nothing where the row is there."""

from __future__ import annotations

from pathlib import Path

from database_end import open_database
from sqlalchemy import select

from gateway.ops.database.schema import keys
from gateway.ops.database.upsert import insert_new


async def test_the_first_row_stays(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        for value, new in ((b"first", True), (b"second", False)):
            row = {"name": "one", "sealed_value": value, "made_at": 1}
            assert await end.database.write(lambda c, row=row: insert_new(c, keys, row)) == new
        query = select(keys.c.sealed_value).where(keys.c.name == "one")
        assert await end.database.read(lambda c: c.execute(query).scalar_one()) == b"first"
