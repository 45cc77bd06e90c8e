"""What comes of a call after its end, written once however often it is applied."""

from __future__ import annotations

from pathlib import Path

from database_end import ended_call, open_database

from gateway.ops.records.late import LateParts, LateWrites, complete
from gateway.ops.records.record import RecordLine, RecordResult


def late(filed_at: str = "2026-09-21T14:20:00.000+00:00") -> LateParts:
    call, result = ended_call(), RecordResult(filed_at, "filed", fields={"reason": "invoice"})
    return LateParts(call.id, result, [RecordLine(9.0, "caller", "Bye.")], 30, "0.5")


def test_what_came_late_is_added_once() -> None:
    record = ended_call(tokens=10)
    assert complete(record, late())
    assert not complete(record, late())
    assert (record.tokens, len(record.transcript), record.cost_usd) == (40, 1, "0.5")


def test_a_later_result_takes_the_place_of_the_first() -> None:
    record = ended_call()
    complete(record, late())
    assert complete(record, late("2026-09-21T15:00:00.000+00:00"))


async def test_the_write_done_twice_is_as_if_done_once(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writes, parts = LateWrites(end.history.change), late()
        call = end.history.ended(ended_call(), "+15551230042")
        data = LateWrites.write(parts).data
        for apply, given in (
            (end.history.apply, call.data),
            (writes.apply, data),
            (writes.apply, data),
        ):
            await end.database.write(lambda c, a=apply, d=given: a(c, d))  # type: ignore[misc]
        record = await end.history.find(parts.call_id)
        assert record is not None
        assert record.tokens == 30
        assert record.result == parts.result


async def test_a_call_that_was_not_kept_stays_so(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        data = LateWrites.write(late()).data
        await end.database.write(lambda c: LateWrites(end.history.change).apply(c, data))
        assert await end.history.find(late().call_id) is None
