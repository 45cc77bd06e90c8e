"""Events are added once, in the order in which they happened."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from database_end import CALLER, DatabaseEnd, ended_call, open_database
from sqlalchemy import select

from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.database.schema import deliveries
from gateway.ops.delivery.delivery_queue import DeliveryQueue, Report
from gateway.ops.delivery.outbox import EventOutbox, EventWrite, new_id

FACTS = CallInfo("CA1", CALLER, "+15550100", "desk", "media-streams")


async def test_without_a_receiver_nothing_is_added(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        end.outbox.add("call.started", FACTS, {})
        assert end.outbox.ended(FACTS, Ending.CALLER_HUNG_UP) is None
        assert end.writes.waiting == 0


async def test_an_event_says_which_call_and_is_there_once(
    tmp_path: Path, database_url: str | None
) -> None:
    async with open_database(tmp_path, database_url, ("key",), delivers=True) as end:
        writing = asyncio.create_task(end.writes.run())
        end.outbox.add("message.taken", FACTS, {"text": "Call me."})
        await end.writes.flushed()
        (taken,) = await end.queue.take(5)
        writing.cancel()
    assert taken.body is not None
    body = json.loads(taken.body)
    assert body["type"] == "message.taken"
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "call": "CA1",
        "call_sid": "CA1",
        "agent": "desk",
        "path": "media-streams",
        "direction": "inbound",
        "text": "Call me.",
    }
    assert CALLER not in taken.body.decode()


@dataclass
class Calls:
    """Two processes that write what they see of one call, and a clock of the test's."""

    end: DatabaseEnd
    now: float = 1_790_000_000.0

    def process(self) -> EventOutbox:
        return EventOutbox(self.end.writes, self.end.callers, enabled=True, wall=lambda: self.now)

    def queue(self) -> DeliveryQueue:
        return DeliveryQueue(self.end.database, self.end.sealer, lambda: self.now)

    async def begins(self, outbox: EventOutbox) -> None:
        outbox.add("call.started", FACTS, {"began_at": "2026-09-21T14:00:00.000+00:00"})
        await self.end.writes.flushed()

    async def ends(self, outbox: EventOutbox, ending: str, **record: Any) -> None:
        well = ending in ("caller_hung_up", "transferred")
        of = ended_call(1, id="CA1", call_sid="CA1", ending=ending, well=well, **record)
        self.end.writes.add(
            self.end.history.ended(of, CALLER, event=outbox.ended(FACTS, Ending(ending)))
        )
        await self.end.writes.flushed()

    async def delivered(self, after_s: float = 0.0) -> list[dict[str, Any]]:
        """What arrives now, and then nothing more."""
        self.now += after_s
        queue, found = self.queue(), list[dict[str, Any]]()
        while taken := await queue.take(5):
            for one in taken:
                assert one.body is not None
                found.append({"id": one.id, **json.loads(one.body)})
                await queue.report(one, Report(True, 200, "", None))
        return found


@pytest.fixture
async def calls(tmp_path: Path, database_url: str | None) -> AsyncIterator[Calls]:
    async with open_database(tmp_path, database_url, delivers=True) as end:
        writing = asyncio.create_task(end.writes.run())
        yield Calls(end)
        writing.cancel()


EARLIER, LATER = "2026-09-21T14:00:00.000+00:00", "2026-09-21T14:01:00.000+00:00"


async def test_a_call_that_goes_on_for_long_ends_once(calls: Calls) -> None:
    """Another process resumes it at once, and has it for longer than any end waits."""
    one, other = calls.process(), calls.process()
    await calls.begins(one)
    assert [event["type"] for event in await calls.delivered(0.1)] == ["call.started"]
    await calls.ends(one, "drained", began_at=EARLIER)
    calls.now += 2
    await calls.begins(other)
    assert await calls.delivered(after_s=3_600) == []
    await calls.ends(other, "caller_hung_up", began_at=LATER, tokens=5)
    (ended,) = await calls.delivered(0.1)
    record = await calls.end.history.find("CA1")
    assert ended["data"]["record"] == msgspec.to_builtins(record)
    assert ended["data"]["record"]["began_at"] == EARLIER
    assert ended["data"]["record"]["ending"] == "caller_hung_up"


@pytest.mark.parametrize("ending", ["media_broken", "secret_input", "transferred"])
async def test_a_call_that_is_resumed_late_ends_once(calls: Calls, ending: str) -> None:
    one, other = calls.process(), calls.process()
    await calls.begins(one)
    await calls.ends(one, ending, began_at=EARLIER)
    assert len(await calls.delivered(after_s=120)) == 1
    await calls.begins(other)
    assert await calls.delivered(after_s=900) == []
    await calls.ends(other, "caller_hung_up", began_at=LATER)
    assert [event["type"] for event in await calls.delivered(0.1)] == ["call.ended"]


async def test_an_end_that_arrived_does_not_arrive_again(calls: Calls) -> None:
    """It was given up waiting for the call, which then went on: its receiver has the id."""
    one, other = calls.process(), calls.process()
    await calls.begins(one)
    await calls.ends(one, "media_broken", began_at=EARLIER)
    assert len(await calls.delivered(after_s=700)) == 2
    await calls.begins(other)
    await calls.ends(other, "caller_hung_up", began_at=LATER)
    assert await calls.delivered(after_s=700) == []
    record = await calls.end.history.find("CA1")
    assert record is not None
    assert (record.began_at, record.ending) == (EARLIER, "caller_hung_up")


async def test_what_was_refused_is_sent_again_with_the_whole_call(calls: Calls) -> None:
    one, other = calls.process(), calls.process()
    await calls.begins(one)
    await calls.delivered()
    await calls.ends(one, "media_broken", began_at=EARLIER)
    calls.now += 700
    (taken,) = await calls.queue().take(5)
    calls.now += 61  # the process that took it is gone
    await calls.ends(other, "caller_hung_up", began_at=LATER)
    (event,) = await calls.delivered(0.1)
    assert event["id"] == taken.id
    assert event["data"]["record"]["ending"] == "caller_hung_up"


async def test_nothing_else_of_the_call_waits_for_an_end_that_waits(calls: Calls) -> None:
    one, other = calls.process(), calls.process()
    await calls.begins(one)
    await calls.ends(one, "transferred")
    one.add("call.result", FACTS, {"result": {}})
    await calls.end.writes.flushed()
    assert [e["type"] for e in await calls.delivered(0.1)] == ["call.started", "call.result"]
    await calls.begins(other)
    other.add("message.taken", FACTS, {"text": "Call me."})
    await calls.end.writes.flushed()
    assert [e["type"] for e in await calls.delivered(0.1)] == ["message.taken"]
    assert (await calls.queue().stats()).oldest_s == 0.0, "nobody is late with it"


async def test_an_end_waits_no_longer_than_the_carrier_has_the_call(calls: Calls) -> None:
    one = calls.process()
    await calls.begins(one)
    await calls.delivered()
    await calls.ends(one, "media_broken")
    assert await calls.delivered(after_s=5) == []
    calls.process().over("CA1")
    await calls.end.writes.flushed()
    assert [e["type"] for e in await calls.delivered(0.1)] == ["call.ended"]


async def test_a_start_that_is_written_again_holds_up_no_end(calls: Calls) -> None:
    """A process died between the database and its spool."""
    one = calls.process()
    one.add("call.started", FACTS, {})
    await calls.end.writes.flushed()
    row = await calls.end.database.read(lambda c: c.execute(select(deliveries)).one())
    again = EventWrite(row.id, "call.started", "CA1", row.created_at, row.due_at, b"{}")
    await calls.ends(one, "caller_hung_up")
    data = msgspec.msgpack.encode(again)
    await calls.end.database.write(lambda c: calls.end.table.apply(c, data))
    assert [e["type"] for e in await calls.delivered(0.1)] == ["call.started", "call.ended"]


async def test_a_call_without_a_record_ends_once_too(calls: Calls) -> None:
    one, other = calls.process(), calls.process()
    outline = {"seconds": 30.0, "well": False, "ending": "drained", "began_at": EARLIER}
    one.end_outline(FACTS, Ending.DRAINED, outline)
    await calls.end.writes.flushed()
    calls.now += 90
    last = {"seconds": 10.12345, "well": True, "ending": "caller_hung_up", "began_at": LATER}
    for _ in range(2):
        other.end_outline(FACTS, Ending.CALLER_HUNG_UP, last)
    await calls.end.writes.flushed()
    (ended,) = await calls.delivered(0.1)
    assert ended["data"]["ending"] == "caller_hung_up"
    assert (ended["data"]["began_at"], ended["data"]["seconds"]) == (EARLIER, 70.123)


@pytest.mark.parametrize(
    ("facts", "ending", "wait_s"),
    [
        (FACTS, Ending.CALLER_HUNG_UP, 0),
        (FACTS, Ending.MEDIA_BROKEN, 600),
        (FACTS, Ending.TRANSFERRED, 180),
        (CallInfo("", CALLER, "", "desk", "sip", "rtc_1"), Ending.DRAINED, 20),
        (CallInfo("WEB1", "", "", "desk", "browser"), Ending.MEDIA_BROKEN, 20),
    ],
)
def test_an_end_that_may_be_resumed_waits(facts: CallInfo, ending: Ending, wait_s: int) -> None:
    outbox = EventOutbox(None, None, enabled=True, wall=lambda: 1.0)  # type: ignore[arg-type] # unused
    event, later = outbox.ended(facts, ending), outbox.ended(facts, ending)
    assert event is not None
    assert later is not None
    assert event.due_us - event.at_us == wait_s * 1_000_000
    assert later.at_us > event.at_us, "never the same twice"
    assert later.id == event.id


def test_the_first_moment_of_all_is_a_moment_too() -> None:
    outbox = EventOutbox(None, None, enabled=True, wall=lambda: 0.0)  # type: ignore[arg-type] # unused
    ended = [outbox.ended(FACTS, Ending.CALLER_HUNG_UP) for _ in range(2)]
    assert [event and event.at_us for event in ended] == [1, 2]


def test_ids_are_long_enough_for_nobody_to_guess_and_no_longer() -> None:
    outbox = EventOutbox(None, None, enabled=True)  # type: ignore[arg-type] # unused
    ended = outbox.ended(FACTS, Ending.CALLER_HUNG_UP)
    assert ended is not None
    for made in (new_id(), ended.id):
        assert re.fullmatch("msg_[0-9a-f]{24}", made)


async def test_only_a_start_says_that_a_call_goes_on(calls: Calls) -> None:
    one = calls.process()
    await calls.ends(one, "media_broken")
    for at_us in (1, 2):
        message = EventWrite("msg_1", "message.taken", "CA1", at_us, at_us, b"{}")
        data = msgspec.msgpack.encode(message)
        await calls.end.database.write(lambda c, data=data: calls.end.table.apply(c, data))
    found = await calls.delivered(after_s=601)
    assert [event.get("type") for event in found] == [None, "call.ended"]
