"""Calls are deleted when their time is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from database_end import DatabaseEnd, ended_call, open_database
from skipped_time import now_s, skipping
from structlog.testing import capture_logs

from gateway import limits
from gateway.errors import DatabaseAway, LinkError
from gateway.ops.records.history import US, CallFilter, CallHistory, CallNames, micros
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


class Slept(CallHistory):
    """A history of which a test says what is due, or that it is away."""

    def __init__(self, end: DatabaseEnd) -> None:
        super().__init__(end.database, end.sealer, end.callers, end.tombstones)
        self.asked: list[tuple[int, int, str]] = []
        self.asked_at_s: list[float] = []
        self.fails: list[Exception] = []
        self.batches: list[list[str]] = []
        self.emptied = 0

    async def due(self, ended_before_us: int, now_us: int, after: str) -> list[CallNames]:
        self.asked.append((ended_before_us, now_us, after))
        self.asked_at_s.append(now_s())
        if self.fails:
            raise self.fails.pop(0)
        return [CallNames(one, one) for one in (self.batches.pop(0) if self.batches else ())]

    async def delete_calls(self, call_ids: Sequence[str]) -> int:
        return len(call_ids)

    async def empty_journal(self) -> bool:
        self.emptied += 1
        return True


def test_it_is_looked_every_ten_minutes_whatever_fails(tmp_path: Path) -> None:
    history = Slept(DatabaseEnd(tmp_path))
    history.fails = [DatabaseAway("away"), ZeroDivisionError()]
    history.batches = [["CA1"]]
    expired: list[int] = []

    async def expire(before_us: int) -> None:
        expired.append(before_us)

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3 * 600.0 + 1.0):
                await Retention(history, 2.0, lambda: 1_000_000.0, (), [expire]).run()

    with capture_logs() as logs:
        skipping(run())
    assert history.asked_at_s == [0.0, 600.0, 1200.0, 1200.0, 1800.0]
    before_us, now_us = 827_200 * US, 1_000_000 * US
    assert history.asked[2:4] == [(before_us, now_us, ""), (before_us, now_us, "CA1")]
    assert expired == [before_us] * 2
    assert history.emptied == 1, "where something was deleted"
    told = [(line["event"], line.get("count")) for line in logs]
    assert told == [("records_not_deleted", None), ("records_deleted", 1)]


async def test_one_round_has_an_end_and_says_what_was_left(tmp_path: Path) -> None:
    history, most = Slept(DatabaseEnd(tmp_path)), limits.database.RETAIN_BATCHES_MAX
    history.batches = [[f"CA{number}"] for number in range(most + 1)]
    retention = Retention(history, 2.0, lambda: 1_000_000.0, [Emptied("CA0", "CA1")])
    with capture_logs() as logs:
        assert await retention.look() == most - 2
    assert (len(history.asked), len(history.batches)) == (most, 1)
    (line,) = logs
    assert (line["event"], line["count"], line["first"]) == ("recordings_not_deleted", 2, "CA0")


async def test_calls_are_emptied_beside_each_other_and_not_all_at_once(tmp_path: Path) -> None:
    at_once = limits.database.RETAIN_AT_ONCE
    history, goes_on = Slept(DatabaseEnd(tmp_path)), asyncio.Event()
    history.batches = [[f"CA{number}" for number in range(at_once + 1)]]

    class Slow(Emptied):
        async def forget(self, calls: Sequence[CallNames]) -> int:
            found = await super().forget(calls)
            await goes_on.wait()
            return found

    slow = Slow()
    looking = asyncio.create_task(Retention(history, 2.0, lambda: 0.0, [slow]).look())
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(slow.calls) == at_once
    goes_on.set()
    assert await looking == at_once + 1
