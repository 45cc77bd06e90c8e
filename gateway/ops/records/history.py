"""History of ended calls in the database: written once, listed by filters, found, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from gateway import limits
from gateway.ops.database.database import Database
from gateway.ops.database.paging import page_of
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.write_behind import Apply, Write
from gateway.ops.records.callers import CallerHash
from gateway.ops.records.parts import merged
from gateway.ops.records.record import CallRecord, CallSummary
from gateway.ops.records.tombstones import Tombstones

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

CALL: Final = "call"
"""Kind of the write that puts an ended call into the history."""
VERSION: Final = 1
"""Version of the JSON in a row: fields are only added within one."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(CallRecord).decode
_decode_summary: Final = msgspec.json.Decoder(CallSummary).decode
US: Final = 1_000_000


EventType = Literal["call.started", "call.ended", "call.result", "call.recording", "message.taken"]
"""Kind of an event that an operator's system gets."""


class EndedEvent(Struct, array_like=True):
    """Identity of the event that an ended call becomes when its record is written."""

    id: str
    at_us: int
    due_us: int


class EndedEvents(Protocol):
    """Receiver of records that were written, in the same transaction."""

    def apply_ended(self, connection: Connection, event: EndedEvent, record: CallRecord) -> None:
        """Add the event with the record as it is now."""
        ...


class CallWrite(Struct, array_like=True):
    """An ended call on its way to the database."""

    record: bytes
    """JSON."""
    caller: str
    hashed: bool
    """Whether `caller` is a hash; it is the number until the database was opened once."""
    delete_at: int | None = None
    """Microseconds since 1970; None for as long as all are kept."""
    event: EndedEvent | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Selection of calls; a field that is empty does not restrict it."""

    agent: str = ""
    path: str = ""
    ending: str = ""
    caller: str = ""
    """A number."""
    since_us: int | None = None
    until_us: int | None = None

    def takes(self, call: CallSummary) -> bool:
        """Return whether a call is among them, by everything but the caller."""
        began = micros(call.began_at)
        return (
            self.agent in ("", call.agent)
            and self.path in ("", call.path)
            and self.ending in ("", call.ending)
            and (self.since_us is None or began >= self.since_us)
            and (self.until_us is None or began < self.until_us)
        )


class Position(NamedTuple):
    """Place in the list of calls, which has the newest first."""

    began_us: int
    id: str


class CallNames(NamedTuple):
    """Names under which something of a call is kept."""

    id: str
    call_sid: str
    """Empty over a trunk, and where no key opens the record."""


class EarlierCalls(Protocol):
    """Source of a caller's earlier calls."""

    async def earlier_calls(
        self, caller: str, most: int = limits.database.EARLIER_CALLS_MAX
    ) -> list[CallSummary]:
        """Return ended calls of this number, newest first. Raises DatabaseAway."""
        ...


class CallHistory:
    """Ended calls in the database. Functions with a `connection` run on the database's thread."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        callers: CallerHash,
        tombstones: Tombstones,
        events: EndedEvents | None = None,
    ) -> None:
        self._database, self._sealer, self._callers = database, sealer, callers
        self._tombstones, self._events = tombstones, events

    @property
    def away(self) -> bool:
        """Whether the database did not serve the last request."""
        return self._database.away

    # --- Writing ---

    def ended(
        self,
        record: CallRecord,
        caller: str,
        delete_at: int | None = None,
        event: EndedEvent | None = None,
    ) -> Write:
        """Return the write that keeps this record, and has it delivered; `caller` is the number."""
        who, hashed = self._callers.seen(caller)
        data = msgspec.msgpack.encode(CallWrite(_encode(record), who, hashed, delete_at, event))
        return Write(CALL, data)

    @property
    def appliers(self) -> Mapping[str, Apply]:
        """Functions for `WriteBehind`."""
        return {CALL: self.apply}

    def apply(self, connection: Connection, data: bytes) -> None:
        """Write an ended call, or another part of one; a part that is there changes nothing.

        One that was forgotten, or whose caller was, is dropped, and one of which an agent that
        took it over keeps nothing.
        """
        from sqlalchemy import select, update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import calls  # noqa: PLC0415
        from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

        wanted = msgspec.msgpack.decode(data, type=CallWrite)
        record = _decode(wanted.record)
        caller = self._callers.hash_of(wanted.caller, wanted.hashed)
        began_us, names = micros(record.began_at), (record.id, record.call_sid)
        if self._tombstones.bars(connection, names, caller, began_us):
            return self._tombstones.drop(connection, names)
        if self._tombstones.keeps_nothing(connection, names):
            return None  # the outline of another part says how it ended
        part = str(began_us)
        row = self._row(record) | {"caller_hash": caller, "parts": part}
        row["delete_at"] = wanted.delete_at
        if insert_new(connection, calls, row):
            return self._deliver(connection, wanted, record)
        where = calls.c.id == record.id
        query = select(calls.c.parts, calls.c.sealed_record, calls.c.caller_hash, calls.c.delete_at)
        before = connection.execute(query.where(where).with_for_update()).one()
        parts = before.parts.split(",")
        if part in parts or len(parts) >= limits.database.PARTS_MAX:
            return None
        earlier = self._opened(record.id, before.sealed_record)
        record = record if earlier is None else merged(earlier, record)
        row = self._row(record)
        row["parts"] = ",".join([*parts, part])
        row["caller_hash"] = before.caller_hash or caller
        times = [one for one in (before.delete_at, wanted.delete_at) if one is not None]
        row["delete_at"] = min(times, default=None)
        connection.execute(update(calls).where(where).values(**row))
        return self._deliver(connection, wanted, record)

    def _deliver(self, connection: Connection, wanted: CallWrite, record: CallRecord) -> None:
        if self._events is not None and wanted.event is not None:
            self._events.apply_ended(connection, wanted.event, record)

    def change(
        self, connection: Connection, call_id: str, change: Callable[[CallRecord], bool]
    ) -> bool:
        """Change the record of a call, if `change` says that it did something.

        Return whether the record is there, or one that no key opens.
        """
        from sqlalchemy import select, update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import calls  # noqa: PLC0415

        where = calls.c.id == call_id
        query = select(calls.c.sealed_record).where(where).with_for_update()
        stored = connection.execute(query).scalar()
        record = None if stored is None else self._opened(call_id, stored)
        if record is not None and change(record):
            connection.execute(update(calls).where(where).values(**self._row(record)))
        return stored is not None

    def add_known(
        self, connection: Connection, record: CallRecord, caller_hash: str, delete_at: int | None
    ) -> None:
        """Add what is known of a call whose process wrote no record; a later part joins it.

        One that was forgotten, or of which nothing is kept, is not added.
        """
        from gateway.ops.database.schema import calls  # noqa: PLC0415 - on the thread
        from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

        began_us, names = micros(record.began_at), (record.id, record.call_sid)
        if self._tombstones.bars(connection, names, caller_hash, began_us):
            return
        if not self._tombstones.keeps_nothing(connection, names):
            row = self._row(record) | {"caller_hash": caller_hash, "parts": str(began_us)}
            insert_new(connection, calls, row | {"delete_at": delete_at})

    def _row(self, record: CallRecord) -> dict[str, Any]:
        began = micros(record.began_at)
        length_s = (record.arrived_s or 0.0) + (record.seconds or 0.0)
        return {
            "id": record.id,
            "version": VERSION,
            "began_at": began,
            "ended_at": began + round(length_s * US),
            "agent": record.agent,
            "path": record.path,
            "direction": record.direction,
            "ending": record.ending or "",
            "well": bool(record.well),
            "sealed_summary": self._sealer.seal(_label(record.id), _encode(record.summary())),
            "sealed_record": self._sealer.seal(_label(record.id), _encode(record)),
        }

    # --- Reading ---

    async def page(
        self, wanted: CallFilter, most: int, after: Position | None = None
    ) -> tuple[list[CallSummary], Position | None]:
        """Return ended calls, newest first, and where the next page begins. Raises DatabaseAway."""
        return await self._database.read(lambda c: self.select_page(c, wanted, most, after))

    def select_page(
        self,
        connection: Connection,
        wanted: CallFilter,
        most: int,
        after: Position | None = None,
    ) -> tuple[list[CallSummary], Position | None]:
        rows, last = page_of(connection, self.page_query(wanted, after), most)
        found = (self._summary(row.id, row.sealed_summary) for row in rows)
        following = None if last is None else Position(last.began_at, last.id)
        return [one for one in found if one is not None], following

    def page_query(self, wanted: CallFilter, after: Position | None) -> Select[tuple[Any, ...]]:
        from sqlalchemy import desc, select, tuple_  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import calls  # noqa: PLC0415

        at = calls.c.began_at
        where: list[ColumnElement[bool]] = []
        for column, value in (
            (calls.c.agent, wanted.agent),
            (calls.c.path, wanted.path),
            (calls.c.ending, wanted.ending),
        ):
            if value:
                where.append(column == value)
        if wanted.caller:
            where.append(calls.c.caller_hash == self._callers.of(wanted.caller))
        if wanted.since_us is not None:
            where.append(at >= wanted.since_us)
        until_us = wanted.until_us
        if after is not None:
            # Of two upper bounds SQLite seeks by either: so neither may be far from the other.
            until_us = min(after.began_us + 1, until_us or after.began_us + 1)
        if until_us is not None:
            where.append(at < until_us)
        if after is not None:
            where.append(tuple_(at, calls.c.id) < tuple_(after.began_us, after.id))
        query = select(calls.c.id, at, calls.c.sealed_summary).where(*where)
        return query.order_by(desc(at), desc(calls.c.id))

    async def find(self, call_id: str) -> CallRecord | None:
        """Return the record of an ended call. Raises DatabaseAway."""
        return await self._database.read(lambda connection: self.select_call(connection, call_id))

    def select_call(self, connection: Connection, call_id: str) -> CallRecord | None:
        from sqlalchemy import select  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import calls  # noqa: PLC0415

        query = select(calls.c.sealed_record).where(calls.c.id == call_id)
        stored = connection.execute(query).scalar()
        return None if stored is None else self._opened(call_id, stored)

    async def earlier_calls(
        self, caller: str, most: int = limits.database.EARLIER_CALLS_MAX
    ) -> list[CallSummary]:
        """Return ended calls of this number, newest first. Raises DatabaseAway."""
        wanted = CallFilter(caller=caller)

        def select(connection: Connection) -> list[CallSummary]:
            if not self._callers.of(caller):
                return []  # withheld: all such callers would be one
            return self.select_page(connection, wanted, most)[0]

        return await self._database.read(select)

    def _summary(self, call_id: str, stored: bytes) -> CallSummary | None:
        summary: CallSummary | None = _decoded(
            _decode_summary, self._sealer.open(_label(call_id), stored)
        )
        return summary

    def _opened(self, call_id: str, stored: bytes) -> CallRecord | None:
        record: CallRecord | None = _decoded(_decode, self._sealer.open(_label(call_id), stored))
        return record

    # --- Deleting ---

    async def empty_journal(self) -> bool:
        """Take what was deleted out of the database's journal; see `Database.empty_journal`."""
        return await self._database.empty_journal()

    async def delete_call(self, call_id: str) -> bool:
        """Delete one call; False if it is not there. Raises DatabaseAway."""
        return bool(await self._delete(lambda calls: calls.c.id == call_id))

    async def delete_calls(self, call_ids: Sequence[str]) -> int:
        """Delete these calls, and return how many there were. Raises DatabaseAway."""
        return len(await self._delete(lambda calls: calls.c.id.in_(call_ids)))

    async def names_of(self, caller_hash: str) -> list[CallNames]:
        """Return the names of every call of a caller. Raises DatabaseAway."""
        return await self._names(lambda calls: calls.c.caller_hash == caller_hash)

    async def names(self, call_id: str) -> list[CallNames]:
        """Return the names of one call; nothing if it is not there. Raises DatabaseAway."""
        return await self._names(lambda calls: calls.c.id == call_id)

    async def _names(
        self, which: Callable[[Any], ColumnElement[bool]], most: int | None = None
    ) -> list[CallNames]:
        def select_names(connection: Connection) -> list[CallNames]:
            from sqlalchemy import select  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import calls  # noqa: PLC0415

            found = []
            names = select(calls.c.id, calls.c.sealed_summary).where(which(calls))
            for row in connection.execute(names.order_by(calls.c.id).limit(most)):
                summary = self._summary(row.id, row.sealed_summary)
                found.append(CallNames(row.id, "" if summary is None else summary.call_sid))
            return found

        return await self._database.read(select_names)

    async def hash_of(self, caller: str) -> str:
        """Return the hash by which calls of this number are found. Raises DatabaseAway."""
        return await self._database.read(lambda _: self._callers.of(caller))

    async def due(self, ended_before_us: int, now_us: int, after: str) -> list[CallNames]:
        """Return a batch of calls whose time is over, by id behind `after`. Raises DatabaseAway."""

        def over(calls: Any) -> ColumnElement[bool]:
            ended = (calls.c.ended_at < ended_before_us) | (calls.c.delete_at < now_us)
            return ended & (calls.c.id > after)  # type: ignore[no-any-return] # of SQL

        return await self._names(over, limits.database.RETAIN_BATCH)

    async def _delete(self, which: Callable[[Any], ColumnElement[bool]]) -> list[str]:
        def delete(connection: Connection) -> Sequence[str]:
            from sqlalchemy import delete, select  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import calls, deliveries  # noqa: PLC0415

            query = select(calls.c.id).where(which(calls))
            ids = connection.execute(query).scalars().all()
            if ids:
                connection.execute(delete(calls).where(calls.c.id.in_(ids)))
                connection.execute(delete(deliveries).where(deliveries.c.call_id.in_(ids)))
            return ids

        return list(await self._database.write(delete))


def micros(moment: str) -> int:
    """Return microseconds since 1970 of a time in RFC 3339."""
    return round(datetime.fromisoformat(moment).timestamp() * US)


def _label(call_id: str) -> str:
    return f"record:{call_id}"


def _decoded(decode: Callable[[bytes], Any], data: bytes | None) -> Any:
    """Return None for what no key opens, or what is no longer a record."""
    if data is None:
        return None
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
