"""Calls are deleted when their time is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from database_end import ended_call, open_database

from gateway import limits
from gateway.errors import LinkError
from gateway.ops.records.history import US, CallFilter, CallNames, micros
from gateway.ops.records.retention import Retention

BEGAN = "2026-09-21T14:13:20.000+00:00"
DAY_S = 86_400


class Emptied:
    """A place where something of calls is kept; it fails for those in `fails`."""

    name: Final = "elsewhere"

    def __init__(self, *fails: str) -> None:
        self.calls: list[str] = []
        self.fails = set(fails)

    async def forget(self, calls: Sequence[CallNames]) -> int:
        if self.fails & {call.id for call in calls}:
            raise LinkError("away", retryable=True)
        self.calls += [call.id for call in calls]
        return len(calls)

    async def left(self, calls: Sequence[CallNames]) -> int:
        return 0


async def test_a_call_whose_recording_is_left_keeps_its_record(
    tmp_path: Path, database_url: str | None
) -> None:
    ids = [ended_call(number, BEGAN).id for number in range(3)]
    store = Emptied(ids[1])
    async with open_database(tmp_path, database_url) as end:

        def fill(connection: object) -> None:
            for number in range(3):
                data = end.history.ended(ended_call(number, BEGAN), "").data
                end.history.apply(connection, data)  # type: ignore[arg-type] # SQLAlchemy's

        await end.database.write(fill)
        retention = Retention(end.history, 1.0, lambda: micros(BEGAN) / US + 9 * DAY_S, [store])
        assert await retention.look() == 2
        left, _ = await end.history.page(CallFilter(), 10)
        assert [call.id for call in left] == [ids[1]]
        store.fails.clear()
        assert await retention.look() == 1
    assert sorted(store.calls) == sorted(ids)


async def test_what_is_too_old_or_was_to_be_kept_for_less_goes_in_batches(
    tmp_path: Path, database_url: str | None
) -> None:
    began_s = micros(BEGAN) / US
    now_s, gone = began_s + 30 * DAY_S, Emptied()
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
        retention = Retention(end.history, 28.0, lambda: now_s, [gone])
        assert await retention.look() == many + 1
        assert len(gone.calls) == len(set(gone.calls)) == many + 1
        left, _ = await end.history.page(CallFilter(), 10)
        assert [call.id for call in left] == [f"CA{many:032}"]
        assert await retention.look() == 0
