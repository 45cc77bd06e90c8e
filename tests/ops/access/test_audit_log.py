"""What operators did is appended, and cannot be changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from database_end import open_database
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.errors import DatabaseAway


async def test_entries_are_listed_newest_first(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        writing = asyncio.create_task(end.writes.run())
        for number in range(5):
            end.audit.add(f"op{number % 2}", "operator", "10.0.0.1", "say", f"CA{number}", 202)
        first, after = await end.audit.page(3)
        rest, over = await end.audit.page(3, after=after)
        assert [entry.call for entry in (*first, *rest)] == ["CA4", "CA3", "CA2", "CA1", "CA0"]
        assert over is None
        mine, _ = await end.audit.page(10, who="op1")
        assert {entry.who for entry in mine} == {"op1"}
        (one,) = (await end.audit.page(10, call_id="CA3"))[0]
        assert (one.action, one.status, one.source) == ("say", 202, "10.0.0.1")
        writing.cancel()


async def test_a_page_does_not_wait_for_what_is_not_written(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        end.audit.add("op", "operator", "", "say", "CA1", 202)
        assert (await end.audit.page(5))[0] == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
async def test_nothing_of_it_is_changed(
    tmp_path: Path, database_url: str | None, statement: str
) -> None:
    async with open_database(tmp_path, database_url) as end:
        writing = asyncio.create_task(end.writes.run())
        end.audit.add("op", "operator", "", "say", "CA1", 202)
        await end.writes.flushed()
        writing.cancel()
        with pytest.raises((DBAPIError, DatabaseAway)):
            await end.database.write(lambda c: c.execute(text(statement)))
        assert len((await end.audit.page(5))[0]) == 1
