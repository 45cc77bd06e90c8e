"""What operators did is appended, and cannot be changed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from time import time_ns

import pytest
from database_end import open_database
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from gateway.errors import DatabaseAway
from gateway.ops.database.schema import audit
from gateway.ops.records.history import micros


async def test_entries_are_listed_newest_first(tmp_path: Path, database_url: str | None) -> None:
    async with open_database(tmp_path, database_url) as end:
        await end.database.read(lambda _: None)  # opened: a page waits no longer than a second
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


async def test_an_entry_says_all_of_a_request(tmp_path: Path) -> None:
    before_us = time_ns() // 1000
    async with open_database(tmp_path) as end:
        await end.database.read(lambda _: None)
        writing = asyncio.create_task(end.writes.run())
        with capture_logs() as logs:
            end.audit.add("op", "operator", "10.0.0.1", "say", "CA1", 202)
        ((entry,), after) = await end.audit.page(1)
        assert after is None
        assert re.fullmatch("aud_[0-9a-f]{20}", entry.id)
        assert (entry.who, entry.role, entry.source) == ("op", "operator", "10.0.0.1")
        assert (entry.action, entry.call, entry.status) == ("say", "CA1", 202)
        at_us = await end.database.read(lambda c: c.execute(select(audit.c.at)).scalar_one())
        assert before_us <= at_us <= time_ns() // 1000
        assert micros(entry.at) == at_us // 1000 * 1000
        at = {"since_us": at_us, "until_us": at_us + 1}
        assert len((await end.audit.page(1, **at))[0]) == 1
        assert (await end.audit.page(1, since_us=at_us + 1))[0] == []
        assert (await end.audit.page(1, until_us=at_us))[0] == []
        end.audit.add("op", "operator", "10.0.0.1", "say", "CA2", 202)
        _, after = await end.audit.page(1)
        assert after is not None
        assert [one.call for one in (await end.audit.page(1, after=after))[0]] == ["CA1"]
        writing.cancel()
    (line,) = (one for one in logs if one["event"] == "operator_request")
    assert (line["operator"], line["status"]) == ("op", 202)
