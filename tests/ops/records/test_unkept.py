"""Earlier parts of a call go when an agent that keeps nothing has taken it over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from database_end import CALLER, ended_call, open_database

from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.records.record import RecordLine
from gateway.ops.records.unkept import UNKEPT, UnkeptWrites, unkept


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
            await end.database.write(lambda c: UnkeptWrites(end.tombstones).apply(c, write.data))
        assert await end.history.find(one.id) is None
        assert await end.history.find(other.id) is not None
        writing.cancel()


async def test_what_a_killed_process_still_has_in_its_spool_does_not_come_back(
    tmp_path: Path, database_url: str | None
) -> None:
    """It is written when that process starts again, long after the call has ended."""
    early = ended_call(1, transcript=[RecordLine(1.0, "caller", "My secret.")])
    facts = CallInfo(early.id, CALLER, "+15550100", "desk", "media-streams")
    outline = {"began_at": early.began_at, "seconds": 10.0}
    async with open_database(tmp_path / "here", database_url, delivers=True) as here:
        url = database_url or f"sqlite:///{tmp_path}/here/gateway.sqlite3"
        async with open_database(tmp_path / "there", url, delivers=True) as killed:
            ended = killed.outbox.ended(facts, Ending.MEDIA_BROKEN)
            killed.writes.add(killed.history.ended(early, CALLER, None, ended))
            await killed.writes.spooled()
            writing = asyncio.create_task(here.writes.run())
            dropped: list[str] = []
            here.tombstones.subscribe(dropped.extend)
            here.outbox.end_outline(facts, Ending.CALLER_HUNG_UP, outline)
            here.writes.add(unkept(early.id, early.call_sid))
            await here.writes.flushed()
            assert dropped == [early.id, early.call_sid], "its recording is deleted"
            late = asyncio.create_task(killed.writes.run())
            await killed.writes.flushed()
            assert await here.history.find(early.id) is None
            assert (await here.queue.stats()).pending == 1, "that it has ended is delivered"
            (event,) = await here.queue.take(10)
            assert event.body is not None
            assert b"secret" not in event.body
            assert await here.tombstones.bar([early.id], "", 0.0), "no recording is stored"
            for task in (writing, late):
                task.cancel()


async def test_a_call_that_keeps_nothing_is_not_a_forgotten_one(tmp_path: Path) -> None:
    """Events of an agent before, which the operator asked for, are delivered all the same."""
    async with open_database(tmp_path) as end:
        write = unkept("CA1")
        await end.database.write(lambda c: UnkeptWrites(end.tombstones).apply(c, write.data))
        assert await end.database.read(lambda c: end.tombstones.keeps_nothing(c, ["CA1"]))
        assert not await end.database.read(lambda c: end.tombstones.keeps_nothing(c, ["CA2", ""]))
        assert not await end.database.read(lambda c: end.tombstones.bars(c, ["CA1"], "", 0))
