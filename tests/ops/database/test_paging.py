"""A page has so many rows, and says where the next one begins, if there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from database_end import open_database
from sqlalchemy import Connection, select

from gateway.ops.database.paging import page_of
from gateway.ops.database.schema import keys


@pytest.mark.parametrize(
    ("most", "shown", "last"),
    [(1, ["a"], "a"), (2, ["a", "b"], "b"), (3, ["a", "b", "c"], None), (4, ["a", "b", "c"], None)],
)
async def test_a_page_of_three_rows(
    tmp_path: Path, most: int, shown: list[str], last: str | None
) -> None:
    async with open_database(tmp_path) as end:

        def page(connection: Connection) -> tuple[list[str], str | None]:
            for name in ("c", "a", "b"):
                row = {"name": name, "sealed_value": b"1", "made_at": 1}
                connection.execute(keys.insert().values(row))
            query = (
                select(keys.c.name).where(keys.c.name.in_(["a", "b", "c"])).order_by(keys.c.name)
            )
            rows, following = page_of(connection, query, most)
            return [row.name for row in rows], following and following.name

        assert await end.database.write(page) == (shown, last)
