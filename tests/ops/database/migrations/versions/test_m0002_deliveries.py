"""The second migration."""

from __future__ import annotations

from pathlib import Path

from database_end import open_database
from sqlalchemy import inspect


async def test_it_makes_deliveries(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        indexes = await end.database.read(lambda c: inspect(c).get_indexes("deliveries"))
    assert {"deliveries_by_due", "deliveries_by_call"} <= {i["name"] for i in indexes}
