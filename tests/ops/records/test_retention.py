"""Calls are deleted when their time is over."""

from __future__ import annotations

from pathlib import Path

from database_end import ended_call, open_database

from gateway import limits
from gateway.ops.records.history import US, CallFilter, micros
from gateway.ops.records.retention import Retention

BEGAN = "2026-09-21T14:13:20.000+00:00"
DAY_S = 86_400


async def test_what_is_too_old_or_was_to_be_kept_for_less_goes_in_batches(
    tmp_path: Path, database_url: str | None
) -> None:
    began_s = micros(BEGAN) / US
    now_s, gone = began_s + 30 * DAY_S, []
    many = limits.database.RETAIN_BATCH + 5
    async with open_database(tmp_path, database_url) as end:

        def fill(connection: object) -> None:
            for number in range(many):
                record = ended_call(number, BEGAN, seconds=1.0)
                end.history.apply(connection, end.history.ended(record, "").data)  # type: ignore[arg-type] # SQLAlchemy's
            for number, delete_at in ((many, None), (many + 1, round(now_s * US) - 1)):
                record = ended_call(number, BEGAN, seconds=3 * DAY_S)
                data = end.history.ended(record, "", delete_at).data
                end.history.apply(connection, data)  # type: ignore[arg-type] # as above

        await end.database.write(fill)
        retention = Retention(end.history, 28.0, lambda: now_s, gone.append)
        assert await retention.look() == many + 1
        assert [len(batch) for batch in gone] == [limits.database.RETAIN_BATCH, 6]
        left, _ = await end.history.page(CallFilter(), 10)
        assert [call.id for call in left] == [f"CA{many:032}"]
        assert await retention.look() == 0
