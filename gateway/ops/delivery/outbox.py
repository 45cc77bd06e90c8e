"""Events that are to be delivered, in the database: added once, taken by one process at a time.

Of each call only the oldest event that is not delivered can be taken, so that its events arrive in
order. An event that is taken and not reported on, since its process died, can be taken again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from gateway import limits
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.write_behind import Apply, Write, WriteBehind
from gateway.ops.records.history import EndedEvent, EventType
from gateway.ops.records.record import CallRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

EVENT: Final = "event"
"""Kind of the write that adds an event."""
PENDING: Final = "pending"
DELIVERED: Final = "delivered"
PARKED: Final = "parked"
_US: Final = 1_000_000
_encode: Final = msgspec.json.Encoder().encode


class EventWrite(Struct, array_like=True):
    """An event on its way to the database."""

    id: str
    type: str
    call_id: str
    at_us: int
    due_us: int
    body: bytes


class TakenEvent(NamedTuple):
    """An event that was taken, to be sent now."""

    id: str
    type: str
    call_id: str
    attempts: int
    """Those before this one."""
    give_up_us: int
    body: bytes | None
    """None where no key opens it."""


class EventOutbox:
    """Events of calls on their way to the database. Without a receiver nothing is added.

    `news` is called when an event is in the database.
    """

    def __init__(
        self,
        writes: WriteBehind,
        news: Callable[[], None] = lambda: None,
        *,
        enabled: bool,
        wall: Callable[[], float] = time,
    ) -> None:
        self._writes, self._news, self._enabled, self._wall = writes, news, enabled, wall
        self._last_us = 0

    def add(self, event_type: EventType, call: CallInfo, data: Mapping[str, Any]) -> None:
        """Have an event delivered, once the database has it; returns at once.

        `data` is JSON by `msgspec`. What identifies the call is added to it: `call` (the id of the
        API), `call_sid`, `agent`, `path`, `direction`.
        """
        if not self._enabled:
            return
        at_us = self._now_us()
        event = EventWrite(
            new_id(),
            event_type,
            call.key,
            at_us,
            at_us,
            event_body(event_type, at_us, {**_facts(call), **data}),
        )
        self._writes.add(Write(EVENT, msgspec.msgpack.encode(event)), written=self._news)

    def ended(self, ending: str | None) -> EndedEvent | None:
        """Return the identity of `call.ended` for a record; None without a receiver."""
        if not self._enabled:
            return None
        at_us = self._now_us()
        return EndedEvent(new_id(), at_us, at_us + _settle_us(ending))

    def _now_us(self) -> int:
        """Return the time, never the same twice: it orders the events of a call."""
        self._last_us = max(round(self._wall() * _US), self._last_us + 1)
        return self._last_us


class OutboxTable:
    """Table of the outbox; its functions run on the database's thread."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    @property
    def appliers(self) -> Mapping[str, Apply]:
        """Functions for `WriteBehind`."""
        return {EVENT: self.apply}

    def apply(self, connection: Connection, data: bytes) -> None:
        """Add an event; one that is there already changes nothing."""
        self._insert(connection, msgspec.msgpack.decode(data, type=EventWrite))

    def apply_ended(self, connection: Connection, event: EndedEvent, record: CallRecord) -> None:
        """Add `call.ended` with this record, in place of one of an earlier part of the call."""
        from sqlalchemy import delete  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        connection.execute(
            delete(deliveries).where(
                deliveries.c.call_id == record.id,
                deliveries.c.type == "call.ended",
                deliveries.c.state == PENDING,
                deliveries.c.attempts == 0,
                deliveries.c.id != event.id,
            )
        )
        body = event_body("call.ended", event.at_us, {"call": record.id, "record": record})
        row = EventWrite(event.id, "call.ended", record.id, event.at_us, event.due_us, body)
        self._insert(connection, row)

    def _insert(self, connection: Connection, event: EventWrite) -> None:
        from gateway.ops.database.schema import deliveries  # noqa: PLC0415 - on the thread
        from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

        insert_new(
            connection,
            deliveries,
            {
                "id": event.id,
                "type": event.type,
                "call_id": event.call_id,
                "created_at": event.at_us,
                "state": PENDING,
                "attempts": 0,
                "due_at": event.due_us,
                "give_up_at": event.at_us + round(limits.database.DELIVERY_GIVE_UP_S * _US),
                "leased_until": 0,
                "sealed_body": self._sealer.seal(label(event.id), event.body),
            },
        )


def new_id() -> str:
    """Return the id of an event, the same in every attempt."""
    return f"msg_{secrets.token_hex(12)}"


def label(event_id: str) -> str:
    """Return the name under which the body of an event is sealed."""
    return f"event:{event_id}"


def event_body(event_type: str, at_us: int, data: Mapping[str, Any]) -> bytes:
    """Return the body of every attempt, byte for byte the same."""
    at = datetime.fromtimestamp(at_us / _US, UTC).isoformat(timespec="milliseconds")
    return _encode({"type": event_type, "timestamp": at.replace("+00:00", "Z"), "data": data})


def _facts(call: CallInfo) -> dict[str, Any]:
    return {
        "call": call.key,
        "call_sid": call.call_sid,
        "agent": call.agent,
        "path": call.path,
        "direction": call.direction,
    }


def _settle_us(ending: str | None) -> int:
    """Return how long an ending waits, after which another stream may go on with the call."""
    final = ending is None or (Ending(ending).well and ending != Ending.TRANSFERRED)
    return 0 if final else round(limits.database.DELIVERY_SETTLE_S * _US)
