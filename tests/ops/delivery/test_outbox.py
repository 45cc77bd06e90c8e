"""Events are added once, in the order in which they happened."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
from database_end import CALLER, ended_call, open_database

from gateway.call.call_info import CallInfo
from gateway.ops.delivery.outbox import EventOutbox

FACTS = CallInfo("CA1", CALLER, "+15550100", "desk", "media-streams")


async def test_without_a_receiver_nothing_is_added(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        end.outbox.add("call.started", FACTS, {})
        assert end.outbox.ended("caller_hung_up") is None
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


async def test_an_ended_call_is_delivered_with_all_its_parts(
    tmp_path: Path, database_url: str | None
) -> None:
    """The first part waits a while, and is replaced if the call goes on elsewhere."""
    now = 1_790_000_000.0
    async with open_database(tmp_path, database_url, delivers=True) as end:
        outbox = EventOutbox(end.writes, enabled=True, wall=lambda: now)
        first = ended_call(1, "2026-09-21T14:00:00.000+00:00", ending="drained", well=False)
        last = ended_call(1, "2026-09-21T14:01:00.000+00:00", tokens=5)
        for record in (first, last):
            write = end.history.ended(record, CALLER, event=outbox.ended(record.ending))
            await end.database.write(lambda c, data=write.data: end.history.apply(c, data))
            await end.database.write(lambda c, data=write.data: end.history.apply(c, data))
        (taken,) = await end.queue.take(5)
        assert taken.body is not None
        data = json.loads(taken.body)["data"]
        record = await end.history.find(first.id)
        assert data["record"] == msgspec.to_builtins(record)
        assert (data["record"]["ending"], data["record"]["began_at"]) == (
            "caller_hung_up",
            first.began_at,
        )


def test_an_end_that_may_be_resumed_waits(tmp_path: Path) -> None:
    outbox = EventOutbox(None, enabled=True, wall=lambda: 1.0)  # type: ignore[arg-type] # unused
    settled, broken = outbox.ended("caller_hung_up"), outbox.ended("media_broken")
    assert settled is not None
    assert broken is not None
    assert settled.due_us == settled.at_us
    assert broken.due_us - broken.at_us == 20_000_000
    assert broken.at_us > settled.at_us, "never the same twice"
