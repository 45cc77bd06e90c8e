"""The fourth migration."""

from __future__ import annotations

from pathlib import Path

from database_end import open_database
from sqlalchemy import inspect


async def test_it_makes_forgotten(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        columns = await end.database.read(lambda c: inspect(c).get_columns("forgotten"))
    assert {"name_hash", "forgotten_at"} == {column["name"] for column in columns}
