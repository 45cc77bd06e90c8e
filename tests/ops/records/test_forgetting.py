"""Deletion of every trace, on SQLite; what it reports is what is there afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from database_end import CALLER, DatabaseEnd, ended_call, open_database
from skipped_time import now_s, skipping

from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.errors import DatabaseAway, LinkError
from gateway.ops.records.forgetting import Forgetting
from gateway.ops.records.history import CallHistory, CallNames

OTHER = "+15551230099"
NOW = 1_790_000_000.0


class Notes:
    """What stands under a number, in no record."""

    name = "numbers"

    def __init__(self, *calls: CallNames) -> None:
        self.noted, self.barred = list(calls), list[CallNames]()

    async def calls(self, _number: str) -> list[CallNames]:
        return list(self.noted)

    async def bar_running(self, calls: Sequence[CallNames]) -> None:
        self.barred += calls

    async def forget(self, _number: str, *, running: bool) -> int:
        deleted = len(self.noted)
        if not running:
            self.noted = []
        return deleted

    async def left(self, _number: str) -> int:
        return len(self.noted)


class Shelf:
    """A place with something of each call, which may fail."""

    name = "recordings"

    def __init__(self, *ids: str, fails: bool = False, keeps: bool = False) -> None:
        self.ids, self.fails, self.keeps = set(ids), fails, keeps

    async def forget(self, calls: Sequence[CallNames]) -> int:
        if self.fails:
            raise LinkError("unreachable", retryable=True)
        found = self.ids & {one.call_sid for one in calls}
        if not self.keeps:
            self.ids -= found
        return len(found)

    async def left(self, calls: Sequence[CallNames]) -> int:
        return len(self.ids & {one.call_sid for one in calls})


async def written(end: DatabaseEnd) -> list[str]:
    """Three calls, two of them of the caller."""
    calls = [(ended_call(1), CALLER), (ended_call(2), OTHER), (ended_call(3), CALLER)]
    for call, number in calls:
        end.writes.add(end.history.ended(call, number))
    await asyncio.wait_for(end.writes.flushed(), 20)
    return [call.id for call, _ in calls]


def forgetting(
    end: DatabaseEnd,
    shelf: Shelf,
    running: Sequence[str] = (),
    notes: Notes | None = None,
    history: CallHistory | None = None,
) -> Forgetting:
    async def running_calls(_number: str) -> list[str]:
        return list(running)

    return Forgetting(
        history or end.history,
        end.writes,
        end.tombstones,
        running_calls,
        (shelf,),
        notes or Notes(),
        90,
        lambda: NOW,
    )


async def test_every_trace_of_a_caller_goes_and_nobody_elses(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        one, other, three = await written(end)
        shelf = Shelf(one, other)
        report = await forgetting(end, shelf).caller("+1 (555) 123-0042")
        assert set(report.calls) == {one, three}
        assert report.deleted == {"recordings": 1, "calls": 2, "numbers": 0}
        assert report.left == {"recordings": 0, "calls": 0, "journal": 0, "numbers": 0}
        assert report.complete
        assert report.barred == 3, "two calls, and the caller"
        assert report.barred_until == "2027-01-19T14:13:20+00:00", "as records, and a month"
        assert await end.history.find(other) is not None
        assert shelf.ids == {other}
        writing.cancel()


async def test_what_could_not_be_deleted_is_reported(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        one, *_ = await written(end)
        report = await forgetting(end, Shelf(one, keeps=True)).caller(CALLER)
        assert report.left["recordings"] == 1
        assert not report.complete
        writing.cancel()


async def test_a_place_that_is_away_leaves_the_calls_by_which_it_is_found_again(
    tmp_path: Path,
) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        one, *_ = await written(end)
        with pytest.raises(LinkError):
            await forgetting(end, Shelf(one, fails=True)).caller(CALLER)
        assert await end.history.find(one) is not None
        writing.cancel()


async def test_a_caller_on_the_line_is_not_forgotten_yet(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        report = await forgetting(end, Shelf(), ["CA1"]).caller(CALLER)
        assert report.running == ["CA1"]
        assert not report.complete


async def test_a_withheld_number_is_nobody(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        await written(end)
        report = await forgetting(end, Shelf()).caller("")
        assert (report.calls, report.barred, report.barred_until) == ([], 0, "")
        writing.cancel()


async def test_one_call_goes_alone(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        one, _, three = await written(end)
        report = await forgetting(end, Shelf(one, three)).call(one)
        assert report is not None
        assert report.deleted == {"recordings": 1, "calls": 1}
        assert await end.history.find(three) is not None
        assert await forgetting(end, Shelf()).call(one) is None
        writing.cancel()


async def test_what_another_process_still_has_to_write_is_dropped(
    tmp_path: Path, database_url: str | None
) -> None:
    """Records, events and results of calls that had begun; a later call is a new one."""
    facts = CallInfo("CA" + "7" * 32, CALLER, "+15550100", "desk", "media-streams")
    async with open_database(tmp_path / "here", database_url, delivers=True) as here:
        url = database_url or f"sqlite:///{tmp_path}/here/gateway.sqlite3"
        async with open_database(tmp_path / "there", url, delivers=True) as there:
            await there.database.read(lambda _: None)
            before = ended_call(1, id=facts.call_sid, call_sid=facts.call_sid)
            there.writes.add(there.history.ended(before, CALLER, event=None))
            there.outbox.add("message.taken", facts, {"text": "My secret."})
            there.outbox.end_outline(
                facts, Ending.CALLER_HUNG_UP, {"began_at": before.began_at, "seconds": 1.0}
            )
            await there.writes.spooled()
            report = await forgetting(here, Shelf()).caller(CALLER)
            assert (report.calls, report.barred, report.complete) == ([], 1, True)
            dropped = list[str]()
            there.tombstones.subscribe(dropped.extend)
            writing = asyncio.create_task(there.writes.run())
            await asyncio.wait_for(there.writes.flushed(), 20)
            assert await here.history.find(before.id) is None
            assert (await here.queue.stats()).pending == 0
            assert dropped == [before.id, before.call_sid]
            now = datetime.now(UTC) + timedelta(seconds=1)
            there.writes.add(there.history.ended(ended_call(2, now.isoformat()), CALLER))
            await asyncio.wait_for(there.writes.flushed(), 20)
            assert await here.history.find(ended_call(2).id) is not None
            writing.cancel()


async def test_one_call_that_is_nowhere_yet_is_barred(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        assert await forgetting(end, Shelf()).call(ended_call(1).id) is None
        end.writes.add(end.history.ended(ended_call(1), CALLER))
        await asyncio.wait_for(end.writes.flushed(), 20)
        assert await end.history.find(ended_call(1).id) is None
        writing.cancel()


async def test_a_call_that_left_no_record_is_found_by_its_number(tmp_path: Path) -> None:
    """Its agent keeps nothing, or its process was killed: parts of it are left all the same."""
    async with open_database(tmp_path) as end:
        shelf, notes = Shelf("CA7", "CA8"), Notes(CallNames("rtc_7", "CA7"))
        report = await forgetting(end, shelf, notes=notes).caller(CALLER)
        assert (report.calls, shelf.ids) == (["rtc_7"], {"CA8"})
        assert report.deleted == {"recordings": 1, "calls": 0, "numbers": 1}
        assert report.complete
        assert await end.tombstones.bar(["CA7"], "", 2e9), "what comes of it is dropped"


async def test_a_call_that_runs_loses_its_words_and_is_known_when_it_is_over(
    tmp_path: Path,
) -> None:
    async with open_database(tmp_path) as end:
        shelf, notes = Shelf("CA7"), Notes(CallNames("rtc_7", "CA7"))
        one = forgetting(end, shelf, ["rtc_7", "CA9"], notes)
        report = await one.caller(CALLER)
        assert notes.barred == [CallNames("rtc_7", "CA7"), CallNames("CA9", "")]
        assert (report.calls, report.running) == ([], ["rtc_7", "CA9"])
        assert not report.complete
        again = await forgetting(end, shelf, notes=notes).caller(CALLER)
        assert (again.calls, again.complete, shelf.ids) == (["rtc_7"], True, set())


async def test_what_is_still_to_be_written_here_is_forgotten_too(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        for number in (1, 2):
            end.writes.add(end.history.ended(ended_call(number), CALLER))
        report = await forgetting(end, Shelf()).caller(CALLER)
        assert report.deleted["calls"] == 2
        end.writes.add(end.history.ended(ended_call(3), CALLER))
        one = await forgetting(end, Shelf()).call(ended_call(3).id)
        assert one is None, "the caller was forgotten"
        end.writes.add(end.history.ended(ended_call(4), OTHER))
        one = await forgetting(end, Shelf()).call(ended_call(4).id)
        assert one is not None
        assert one.deleted["calls"] == 1
        writing.cancel()


def test_nobody_is_forgotten_while_calls_wait_to_be_written(tmp_path: Path) -> None:
    end = DatabaseEnd(tmp_path)
    waited_s: list[float] = []

    async def forget() -> None:
        end.writes.add(end.history.ended(ended_call(1), CALLER))
        await end.writes.spooled()
        began = now_s()
        with pytest.raises(DatabaseAway, match="wait to be written"):
            await forgetting(end, Shelf()).caller(CALLER)
        waited_s.append(now_s() - began)

    skipping(forget())
    assert waited_s == [10.0]


async def test_the_names_of_a_call_that_runs_are_barred_at_once(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await forgetting(end, Shelf(), ["CA9"]).caller(CALLER)
        assert await end.tombstones.bar(["CA9"], "", 2e9)
        assert not await end.tombstones.bar(["CA8"], "", 2e9)


class Barred(CallHistory):
    """A history that sees to it that a call is barred before anybody looks for it."""

    def __init__(self, end: DatabaseEnd) -> None:
        super().__init__(end.database, end.sealer, end.callers, end.tombstones)
        self.bars = end.tombstones
        self.seen: list[bool] = []

    async def names(self, call_id: str) -> list[CallNames]:
        self.seen.append(await self.bars.bar([call_id], "", 2e9))
        return await super().names(call_id)


class ById(Shelf):
    """A place that knows calls by their id alone."""

    async def forget(self, calls: Sequence[CallNames]) -> int:
        return len(self.ids & {one.id for one in calls})


async def test_a_call_is_barred_before_anybody_looks_for_it(tmp_path: Path) -> None:
    """Or what another process writes at this moment would be seen by nobody."""
    async with open_database(tmp_path) as end:
        history = Barred(end)
        report = await forgetting(end, ById("CA7"), history=history).call("CA7")
        assert history.seen == [True, True]
        assert report is not None, "no record, and yet something was there"
        assert report.deleted == {"recordings": 1, "calls": 0}
        assert (report.left, report.calls) == ({"recordings": 0, "calls": 0, "journal": 0}, ["CA7"])
