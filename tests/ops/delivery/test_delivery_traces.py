"""Events of calls in the outbox are counted and deleted, those of other calls are not."""

from __future__ import annotations

from pathlib import Path

from database_end import open_database
from sqlalchemy import Connection, insert

from gateway.ops.database.schema import deliveries
from gateway.ops.delivery.delivery_traces import DeliveryTraces
from gateway.ops.records.history import CallNames


def add(connection: Connection, event_id: str, call_id: str) -> None:
    row = {
        "id": event_id,
        "type": "call.ended",
        "call_id": call_id,
        "created_at": 1,
        "state": "parked",
        "attempts": 1,
        "due_at": 1,
        "give_up_at": 1,
        "leased_until": 0,
        "sealed_body": b"x",
    }
    connection.execute(insert(deliveries).values(**row))


async def test_events_go_by_either_name_of_a_call(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        for number, call_id in enumerate(("CA1", "rtc_2", "CA2", "CA9")):
            await end.database.write(lambda c, n=number, i=call_id: add(c, f"msg_{n}", i))  # type: ignore[misc]
        traces = DeliveryTraces(end.database)
        calls = [CallNames("CA1", "CA1"), CallNames("rtc_2", "CA2")]
        assert await traces.left(calls) == 3
        assert await traces.forget(calls) == 3
        assert await traces.left(calls) == 0
        assert await traces.left([CallNames("CA9", "")]) == 1
