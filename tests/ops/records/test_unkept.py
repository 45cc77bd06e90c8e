"""Earlier parts of a call go when an agent that keeps nothing has taken it over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from database_end import CALLER, ended_call, open_database

from gateway.ops.records.unkept import UNKEPT, apply_unkept, unkept


async def test_the_record_of_an_earlier_part_is_deleted_and_of_no_other_call(
    tmp_path: Path, database_url: str | None
) -> None:
    async with open_database(tmp_path, database_url) as end:
        one, other = ended_call(1), ended_call(2)
        writing = asyncio.create_task(end.writes.run())
        for call in (one, other):
            end.writes.add(end.history.ended(call, CALLER))
        await end.writes.flushed()
        write = unkept(one.id)
        assert write.kind == UNKEPT
        for _ in range(2):  # done twice it is as if done once
            await end.database.write(lambda c: apply_unkept(c, write.data))
        assert await end.history.find(one.id) is None
        assert await end.history.find(other.id) is not None
        writing.cancel()
