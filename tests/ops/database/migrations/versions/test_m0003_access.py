"""The third migration."""

from __future__ import annotations

from pathlib import Path

from database_end import open_database
from sqlalchemy import inspect


async def test_it_makes_tokens_and_audit(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        tables = await end.database.read(lambda c: inspect(c).get_table_names())
    assert {"tokens", "audit"} <= set(tables)
