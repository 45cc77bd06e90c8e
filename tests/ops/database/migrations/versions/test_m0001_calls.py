"""The first migration."""

from __future__ import annotations

from pathlib import Path

from database_end import open_database
from sqlalchemy import inspect


async def test_it_makes_calls_and_keys(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        tables = await end.database.read(lambda c: inspect(c).get_table_names())
        indexes = await end.database.read(lambda c: inspect(c).get_indexes("calls"))
    assert {"calls", "keys"} <= set(tables)
    assert {"calls_by_time", "calls_by_caller", "calls_by_end"} <= {i["name"] for i in indexes}
