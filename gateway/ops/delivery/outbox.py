"""Events that are to be delivered, in the database: added once, taken by one process at a time.

Of each call only the oldest event that is not delivered can be taken, so that its events arrive in
order. An event that is taken and not reported on, since its process died, can be taken again.

A call starts and ends once, however many processes and streams have a part of it: the ids of
`call.started` and `call.ended` follow from its own. An end after which the call may go on waits
until it is certain; meanwhile it stands behind everything else that happens in the call.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from time import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from gateway import limits
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.write_behind import Apply, Write, WriteBehind
from gateway.ops.records.callers import CallerHash
from gateway.ops.records.history import EndedEvent, EventType
from gateway.ops.records.record import CallRecord
from gateway.ops.records.tombstones import Tombstones

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

EVENT: Final = "event"
"""Kind of the write that adds an event."""
OUTLINE: Final = "outline"
"""Kind of the write that ends a call of which no record is kept."""
OVER: Final = "over"
"""Kind of the write that says that the carrier has ended a call."""
STARTED: Final = "call.started"
ENDED: Final = "call.ended"
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
    """When it happened."""
    due_us: int
    body: bytes
    caller: str = ""
    """The hash of the caller's number, or the number, see `CallerHash.seen`."""
    hashed: bool = True


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
        callers: CallerHash,
        news: Callable[[], None] = lambda: None,
        *,
        enabled: bool,
        wall: Callable[[], float] = time,
    ) -> None:
        self._writes, self._callers, self._news = writes, callers, news
        self._enabled, self._wall = enabled, wall
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
            _only_id(STARTED, call.key) if event_type == STARTED else new_id(),
            event_type,
            call.key,
            at_us,
            at_us,
            event_body(event_type, at_us, {**_facts(call), **data}),
            *self._callers.seen(call.caller),
        )
        self._writes.add(Write(EVENT, msgspec.msgpack.encode(event)), written=self._news)

    def ended(self, call: CallInfo, ending: Ending) -> EndedEvent | None:
        """Return the identity of `call.ended` for a record; None without a receiver."""
        if not self._enabled:
            return None
        at_us = self._now_us()
        return EndedEvent(_only_id(ENDED, call.key), at_us, at_us + _wait_us(call, ending))

    def end_outline(self, call: CallInfo, ending: Ending, outline: Mapping[str, Any]) -> None:
        """Have `call.ended` delivered of a call that keeps no record; returns at once.

        `outline` has at least `began_at` and `seconds`.
        """
        event = self.ended(call, ending)
        if event is not None:
            body = event_body(ENDED, event.at_us, {**_facts(call), **outline})
            write = EventWrite(
                event.id,
                ENDED,
                call.key,
                event.at_us,
                event.due_us,
                body,
                *self._callers.seen(call.caller),
            )
            self._writes.add(Write(OUTLINE, msgspec.msgpack.encode(write)), written=self._news)

    def over(self, call_sid: str) -> None:
        """Have an end that waits delivered now: the carrier has ended the call. Returns at once."""
        if self._enabled:
            data = msgspec.msgpack.encode((call_sid, self._now_us()))
            self._writes.add(Write(OVER, data), written=self._news)

    def _now_us(self) -> int:
        """Return the time, never the same twice: it orders the events of a call."""
        self._last_us = max(round(self._wall() * _US), self._last_us + 1)
        return self._last_us


class OutboxTable:
    """Table of the outbox; its functions run on the database's thread."""

    def __init__(self, sealer: Sealer, callers: CallerHash, tombstones: Tombstones) -> None:
        self._sealer, self._callers, self._tombstones = sealer, callers, tombstones

    @property
    def appliers(self) -> Mapping[str, Apply]:
        """Functions for `WriteBehind`."""
        return {EVENT: self.apply, OUTLINE: self.apply_outline, OVER: self.apply_over}

    def apply(self, connection: Connection, data: bytes) -> None:
        """Add an event; one that is there already, or of a forgotten call, changes nothing.

        A call that starts again was resumed: its end, if it waits, waits on.
        """
        event = msgspec.msgpack.decode(data, type=EventWrite)
        if self._is_barred(connection, event):
            return
        if not self._insert(connection, event) and event.type == STARTED:
            self._resumed(connection, event)

    def apply_ended(self, connection: Connection, event: EndedEvent, record: CallRecord) -> None:
        """Add `call.ended` with this record, in place of that of earlier parts of the call."""
        body = event_body(ENDED, event.at_us, {"call": record.id, "record": record})
        self._end(
            connection, EventWrite(event.id, ENDED, record.id, event.at_us, event.due_us, body)
        )

    def apply_outline(self, connection: Connection, data: bytes) -> None:
        """Add `call.ended` of a call that keeps no record, from where its first part began."""
        event = msgspec.msgpack.decode(data, type=EventWrite)
        if not self._is_barred(connection, event):
            self._end(connection, event, joins=True)

    def apply_over(self, connection: Connection, data: bytes) -> None:
        """Have the end of a call delivered that waits for nothing any more."""
        from sqlalchemy import update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        call_id, at_us = msgspec.msgpack.decode(data, type=tuple[str, int])
        d = deliveries.c
        waits = _waiting_end(call_id, d.due_at > at_us)
        connection.execute(update(deliveries).where(*waits).values(_at(at_us)))

    def _is_barred(self, connection: Connection, event: EventWrite) -> bool:
        caller = self._callers.hash_of(event.caller, event.hashed)
        return self._tombstones.bars(connection, [event.call_id], caller, event.at_us)

    def _resumed(self, connection: Connection, start: EventWrite) -> None:
        from sqlalchemy import select, update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        d = deliveries.c
        first = connection.execute(select(d.created_at).where(d.id == start.id)).scalar_one()
        if first == start.at_us:
            return  # the same start, written again after a crash
        # Should nobody write how it ends, it has ended after the longest call there is.
        until = start.at_us + round(limits.database.DELIVERY_RESUMED_S * _US)
        waits = _waiting_end(start.call_id, d.due_at < until)
        connection.execute(update(deliveries).where(*waits).values(_at(until)))

    def _end(self, connection: Connection, event: EventWrite, *, joins: bool = False) -> None:
        from sqlalchemy import select, update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        d = deliveries.c
        query = select(d.state, d.attempts, d.sealed_body).where(d.id == event.id)
        before = connection.execute(query.with_for_update()).one_or_none()
        if before is None:
            self._insert(connection, event)
            return
        if before.state == DELIVERED:
            return  # its receiver knows the id
        if joins:
            event.body = _joined(self._sealer.open(label(event.id), before.sealed_body), event.body)
        row = {"sealed_body": self._sealer.seal(label(event.id), event.body)}
        if before.attempts == 0:
            row |= _at(event.due_us)
        connection.execute(update(deliveries).where(d.id == event.id).values(row))

    def _insert(self, connection: Connection, event: EventWrite) -> bool:
        from gateway.ops.database.schema import deliveries  # noqa: PLC0415 - on the thread
        from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

        return insert_new(
            connection,
            deliveries,
            {
                "id": event.id,
                "type": event.type,
                "call_id": event.call_id,
                "state": PENDING,
                "attempts": 0,
                "leased_until": 0,
                "sealed_body": self._sealer.seal(label(event.id), event.body),
                **_at(event.due_us),
            },
        )


def _at(due_us: int) -> dict[str, Any]:
    """Return columns of an event that is first due then: an end that waits comes last."""
    give_up_us = due_us + round(limits.database.DELIVERY_GIVE_UP_S * _US)
    return {"created_at": due_us, "due_at": due_us, "give_up_at": give_up_us}


def _waiting_end(call_id: str, more: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    from gateway.ops.database.schema import deliveries  # noqa: PLC0415 - on the thread

    d = deliveries.c
    of_call = [d.call_id == call_id, d.type == ENDED]
    return [*of_call, d.state == PENDING, d.attempts == 0, more]


def _joined(earlier: bytes | None, later: bytes) -> bytes:
    """Return the body of a call's end, with the time since its first part began."""
    if not earlier:
        return later
    one, other = (msgspec.json.decode(body) for body in (earlier, later))
    if one["timestamp"] >= other["timestamp"]:
        return earlier  # the parts were written in another order, or once more
    began, last_began = one["data"]["began_at"], other["data"]["began_at"]
    lasted = datetime.fromisoformat(last_began) - datetime.fromisoformat(began)
    other["data"]["began_at"] = began
    other["data"]["seconds"] = round(lasted.total_seconds() + other["data"]["seconds"], 3)
    return _encode(other)


def new_id() -> str:
    """Return the id of an event, the same in every attempt."""
    return f"msg_{secrets.token_hex(12)}"


def _only_id(event_type: str, call: str) -> str:
    """Return the id of an event that a call has once, in whichever process."""
    return f"msg_{sha256(f'{event_type}:{call}'.encode('utf-8', 'replace')).hexdigest()[:24]}"


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


def _wait_us(call: CallInfo, ending: Ending) -> int:
    """Return how long an ending waits, after which another stream may go on with the call."""
    if ending.well and ending is not Ending.TRANSFERRED:
        return 0
    if call.key != call.call_sid or not call.has_carrier:
        wait_s = limits.database.DELIVERY_SETTLE_S
    elif ending is Ending.TRANSFERRED:
        wait_s = limits.database.DELIVERY_TRANSFERRED_S
    else:
        wait_s = limits.database.DELIVERY_BROKEN_S
    return round(wait_s * _US)
