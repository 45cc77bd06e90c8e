"""Ended calls in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import pytest
from database_end import DatabaseEnd, ended_call, open_database
from sqlalchemy import Connection, select, text

from gateway import limits
from gateway.ops.database.schema import calls
from gateway.ops.records.history import CallFilter, Position, micros
from gateway.ops.records.record import CallRecord, RecordLine

T = TypeVar("T")
CALLER = "+15551230042"
ALL = CallFilter()


@pytest.fixture
async def end(tmp_path: Path, database_url: str | None) -> AsyncIterator[DatabaseEnd]:
    async with open_database(tmp_path, database_url) as end:
        yield end


async def keep(end: DatabaseEnd, *records: CallRecord, caller: str = CALLER) -> None:
    for record in records:
        data = end.history.ended(record, caller).data
        await end.database.write(lambda connection, data=data: end.history.apply(connection, data))


def at(minute: int) -> str:
    return f"2026-09-21T{14 + minute // 60:02}:{minute % 60:02}:00.000+00:00"


async def test_a_call_is_found_as_it_was_written(end: DatabaseEnd) -> None:
    record = ended_call(transcript=[RecordLine(1.0, "caller", "Guten Tag, 你好, مرحبا")])
    await keep(end, record)
    assert await end.history.find(record.id) == record
    assert await end.history.find("CA-unknown") is None
    assert await end.history.page(ALL, 10) == ([record.summary()], None)


async def test_written_twice_it_is_there_once(end: DatabaseEnd) -> None:
    await keep(end, ended_call(tokens=7), ended_call(tokens=7))
    (calls, _) = await end.history.page(ALL, 10)
    assert [call.tokens for call in calls] == [7]


async def test_pages_follow_each_other_without_a_gap(end: DatabaseEnd) -> None:
    """Three calls of each minute: the id decides within it."""
    records = [ended_call(n, at(n // 3)) for n in range(20)]
    await keep(end, *records)
    listed, after = [], None
    while True:
        calls, after = await end.history.page(ALL, 6, after)
        listed += [call.id for call in calls]
        if after is None:
            break
    expected = sorted(records, key=lambda r: (r.began_at, r.id), reverse=True)
    assert listed == [record.id for record in expected]


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (ALL, True),
        (CallFilter(agent="desk"), True),
        (CallFilter(agent="sales"), False),
        (CallFilter(path="media-streams"), True),
        (CallFilter(path="sip"), False),
        (CallFilter(ending="caller_hung_up"), True),
        (CallFilter(ending="model_lost"), False),
        (CallFilter(since_us=micros(at(5))), True),
        (CallFilter(since_us=micros(at(5)) + 1), False),
        (CallFilter(until_us=micros(at(5)) + 1), True),
        (CallFilter(until_us=micros(at(5))), False),
        (CallFilter(since_us=0, until_us=micros(at(5))), False),
        (CallFilter(caller="+15559990000"), True),
    ],
)
def test_a_filter_takes_a_call_that_is_not_in_the_database_yet(
    wanted: CallFilter, taken: bool
) -> None:
    """By everything but the caller."""
    assert wanted.takes(ended_call(1, at(5)).summary()) == taken


async def test_of_a_call_so_many_parts_are_one_record(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        parts = [ended_call(1, at(n), tokens=1) for n in range(limits.database.PARTS_MAX + 1)]
        data = [end.history.ended(part, CALLER).data for part in parts]
        await end.database.write(lambda c: [end.history.apply(c, one) for one in data])
        record = await end.history.find(ended_call(1).id)
        assert record is not None
        assert record.tokens == limits.database.PARTS_MAX


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(agent="sales"), {2}),
        (CallFilter(path="sip"), {3}),
        (CallFilter(ending="model_lost"), {4}),
        (CallFilter(caller="+1 (555) 999-0000"), {5}),
        (CallFilter(caller="+15550000000"), set()),
        (CallFilter(since_us=micros(at(4))), {4, 5}),
        (CallFilter(until_us=micros(at(3))), {1, 2}),
        (CallFilter(agent="desk", ending="caller_hung_up", since_us=micros(at(2))), {3, 5}),
    ],
)
async def test_filters(end: DatabaseEnd, wanted: CallFilter, found: set[int]) -> None:
    await keep(
        end,
        ended_call(1, at(1)),
        ended_call(2, at(2), agent="sales"),
        ended_call(3, at(3), path="sip"),
        ended_call(4, at(4), ending="model_lost", well=False),
    )
    await keep(end, ended_call(5, at(5)), caller="+15559990000")
    calls, _ = await end.history.page(wanted, 10)
    assert {int(call.id[2:]) for call in calls} == found


async def test_the_parts_of_a_call_are_one_record_in_any_order(end: DatabaseEnd) -> None:
    """A process was stopped, and another went on with the call."""
    hello, goodbye = RecordLine(2.0, "caller", "Hello."), RecordLine(4.0, "model", "Goodbye.")
    first = ended_call(began_at=at(0), seconds=60.0, arrived_s=1.0, tokens=5, turns=2)
    first.ending, first.well, first.transcript = "drained", False, [hello]
    last = ended_call(began_at=at(1), seconds=30.0, arrived_s=3.0, tokens=7, turns=1)
    last.transcript = [goodbye]
    for number, parts in enumerate(((first, last), (last, first), (first, last, first))):
        for part in parts:
            part.id = f"CA-{number}"
            await keep(end, part)
        record = await end.history.find(f"CA-{number}")
        assert record is not None
        assert (record.began_at, record.ending, record.well) == (at(0), "caller_hung_up", True)
        assert (record.tokens, record.turns, record.seconds) == (12, 3, 92.0)
        lines = [(line.at_s, line.text) for line in record.transcript]
        assert lines == [(2.0, "Hello."), (64.0, "Goodbye.")]


@pytest.mark.parametrize("callers", [(CALLER, ""), ("", CALLER)])
async def test_a_part_that_knows_no_number_takes_none_away(
    end: DatabaseEnd, callers: tuple[str, str]
) -> None:
    first, second = ended_call(began_at=at(0)), ended_call(began_at=at(1))
    await keep(end, first, caller=callers[0])
    await keep(end, second, caller=callers[1])
    calls, _ = await end.history.page(CallFilter(caller=CALLER), 10)
    assert [call.id for call in calls] == [first.id]


async def test_earlier_calls_of_a_number_are_found_however_it_is_written(end: DatabaseEnd) -> None:
    await keep(end, ended_call(1, at(1)), ended_call(2, at(2)))
    await keep(end, ended_call(3, at(3)), caller="")
    calls = await end.history.earlier_calls("+1 555 123-0042", 1)
    assert [call.id for call in calls] == [f"CA{2:032}"]
    assert await end.history.earlier_calls("") == [], "those of withheld numbers are not one's own"


async def test_a_call_and_a_caller_are_deleted(end: DatabaseEnd) -> None:
    await keep(end, ended_call(1), ended_call(2))
    await keep(end, ended_call(3), caller="+15559990000")
    assert await end.history.delete_call(f"CA{1:032}")
    assert not await end.history.delete_call(f"CA{1:032}")
    theirs = await end.history.names_of(await end.history.hash_of(CALLER))
    assert [names.id for names in theirs] == [f"CA{2:032}"]
    assert await end.history.delete_calls([names.id for names in theirs]) == 1
    assert [c.id for c in (await end.history.page(ALL, 10))[0]] == [f"CA{3:032}"]


@pytest.mark.parametrize(
    "wanted",
    [ALL, CallFilter(agent="desk"), CallFilter(caller=CALLER), CallFilter(ending="model_lost")],
)
async def test_every_page_is_found_by_an_index(end: DatabaseEnd, wanted: CallFilter) -> None:
    await keep(end, *(ended_call(n, at(n % 600)) for n in range(50)))
    query = end.history.page_query(wanted, Position(micros(at(5)), "CA")).limit(101)

    def explain(connection: object) -> str:
        assert isinstance(connection, Connection)
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "sqlite":
            prefix = "EXPLAIN QUERY PLAN "
        else:
            prefix = "EXPLAIN "
            for way in ("seqscan", "bitmapscan"):  # it prefers these for so few rows
                connection.execute(text(f"SET LOCAL enable_{way} = off"))
        rows = connection.execute(text(prefix + str(compiled))).all()
        return "\n".join(str(row) for row in rows)

    plan = await end.database.read(explain)
    assert "calls_by_" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


MANY = 10_000
STEPS_MAX = 15_000
"""Instructions of SQLite for a page of fifty; those for every row would be ten times that."""


FILTERS = (
    ALL,
    CallFilter(agent="agent-3"),
    CallFilter(path="sip"),
    CallFilter(ending="model_lost"),
    CallFilter(ending="never"),
    CallFilter(caller=CALLER),
    CallFilter(since_us=micros(at(100)), until_us=micros(at(200))),
    CallFilter(agent="agent-3", path="sip", ending="model_lost"),
)


async def test_a_page_among_ten_thousand_calls_reads_no_more_than_it_shows(tmp_path: Path) -> None:
    newest_and_old = (None, Position(micros(at(30)), "CA"))
    async with open_database(tmp_path) as end:
        await end.database.write(lambda connection: _fill(connection, end))
        for wanted, after in product(FILTERS, newest_and_old):

            def page(connection: Connection, wanted: Any = wanted, after: Any = after) -> Any:
                select = end.history.select_page
                return _counted(connection, lambda: select(connection, wanted, 50, after))

            steps, (found, _) = await end.database.read(page)
            assert steps < STEPS_MAX, (wanted, after)
            assert all(wanted.takes(call) for call in found)


def _fill(connection: Connection, end: DatabaseEnd) -> None:
    rows = []
    theirs = end.callers.of(CALLER)
    for number in range(MANY):
        record = ended_call(
            number,
            at(number // 20),
            agent=f"agent-{number % 7}",
            path="sip" if number % 2 else "media-streams",
            ending="caller_hung_up" if number % 5 else "model_lost",
        )
        of_caller = {"caller_hash": theirs if number % 500 == 0 else "", "parts": str(number)}
        rows.append(end.history._row(record) | of_caller | {"delete_at": None})
    connection.execute(calls.insert(), rows)


def _counted(connection: Connection, work: Callable[[], T]) -> tuple[int, T]:
    """Return how many instructions SQLite took for it, and its result."""
    driver: Any = connection.connection.driver_connection
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 100

    driver.set_progress_handler(count, 100)
    try:
        found = work()
    finally:
        driver.set_progress_handler(None, 0)
    return counted, found


async def test_a_row_says_by_what_a_call_is_found(end: DatabaseEnd) -> None:
    """Other programs may read these columns: `docs/reference/database.md` has them."""
    long = ended_call(1, arrived_s=1.5, seconds=2.25, direction="outbound")
    short = ended_call(2, seconds=None, arrived_s=None, ending=None, well=None)
    await keep(end, long, short)
    query = select(calls).order_by(calls.c.id)
    one, other = await end.database.read(lambda c: c.execute(query).all())
    began_us = 1_790_000_000_250_000
    assert micros(long.began_at) == began_us
    assert (one.version, one.began_at, one.ended_at) == (1, began_us, began_us + 3_750_000)
    assert (one.agent, one.path, one.direction) == ("desk", "media-streams", "outbound")
    assert (one.ending, one.well, one.delete_at) == ("caller_hung_up", True, None)
    assert (one.parts, one.caller_hash) == (str(began_us), await end.history.hash_of(CALLER))
    assert (other.ended_at, other.ending, other.well) == (began_us, "", False)


@pytest.mark.parametrize(
    ("one", "other", "kept"), [(5, 9, 5), (9, 5, 5), (None, 7, 7), (7, None, 7), (None, None, None)]
)
async def test_a_call_is_kept_for_the_shortest_time_that_a_part_asks_for(
    tmp_path: Path, one: int | None, other: int | None, kept: int | None
) -> None:
    async with open_database(tmp_path) as end:
        for minute, delete_at in enumerate((one, other)):
            data = end.history.ended(ended_call(1, at(minute)), CALLER, delete_at).data
            await end.database.write(lambda c, data=data: end.history.apply(c, data))
        found = await end.database.read(lambda c: c.execute(select(calls.c.delete_at)).scalar())
        assert found == kept


async def test_a_call_is_due_behind_its_last_moment(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await keep(end, ended_call(1), ended_call(2))
        ended_us = micros(ended_call(1).began_at) + 10_000_000
        assert await end.history.due(ended_us, 0, "") == []
        both = await end.history.due(ended_us + 1, 0, "")
        assert [names.id for names in both] == [f"CA{1:032}", f"CA{2:032}"]
        assert [n.id for n in await end.history.due(ended_us + 1, 0, both[0].id)] == [both[1].id]


async def test_a_change_is_written_only_where_something_was_changed(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await keep(end, ended_call(1))

        def changed(record: CallRecord, said: bool) -> bool:
            record.tokens = 99
            return said

        for said, tokens in ((False, 0), (True, 99)):
            change = partial(changed, said=said)
            assert await end.database.write(
                lambda c, change=change: end.history.change(c, ended_call(1).id, change)
            )
            record = await end.history.find(ended_call(1).id)
            assert record is not None
            assert record.tokens == tokens
        assert not await end.database.write(lambda c: end.history.change(c, "CA-none", change))


async def test_a_record_that_no_key_opens_is_there_and_says_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path, keys=("old",)) as end:
        await keep(end, ended_call(1))
    async with open_database(tmp_path, keys=("new",)) as end:
        assert await end.history.page(ALL, 10) == ([], None)
        assert await end.history.find(ended_call(1).id) is None
        assert await end.history.names(ended_call(1).id) == [(ended_call(1).id, "")]
        assert await end.database.write(
            lambda c: end.history.change(c, ended_call(1).id, lambda _: False)
        )


async def test_a_page_that_is_full_to_the_last_call_is_the_last(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await keep(end, *(ended_call(n, at(n)) for n in range(3)))
        assert (await end.history.page(ALL, 3))[1] is None
        found, after = await end.history.page(ALL, 2)
        assert after == Position(micros(at(1)), f"CA{1:032}")
        assert len(found) == 2
        until = CallFilter(until_us=micros(at(1)))
        assert len((await end.history.page(until, 3, Position(micros(at(2)), "")))[0]) == 1
        assert len((await end.history.page(until, 3, Position(micros(at(0)), "")))[0]) == 0
