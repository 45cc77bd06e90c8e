"""Log of what operators did: appended to the database, where nothing of it can be changed."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from msgspec import Struct

from gateway import limits
from gateway.ops.database.database import Database
from gateway.ops.database.paging import page_of
from gateway.ops.database.write_behind import Apply, Write, WriteBehind

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = structlog.get_logger()
AUDIT: Final = "audit"
_US: Final = 1_000_000


class AuditWrite(Struct, array_like=True):
    """An entry on its way to the database."""

    id: str
    at_us: int
    who: str
    role: str
    source: str
    action: str
    call_id: str
    status: int


class AuditEntry(Struct):
    """Entry of the audit log: something that an operator did, or looked at."""

    id: str
    at: str
    """RFC 3339, UTC."""
    who: str
    """Name of the token."""
    role: str
    source: str
    """Address that the request came from."""
    action: str
    """`operationId` of the API."""
    call: str
    """Id of the call; empty where it was about none."""
    status: int
    """HTTP status of the answer: 4xx were refused."""


class AuditLog:
    """Appends through the spool, so that an outage loses no entry."""

    def __init__(self, database: Database, writes: WriteBehind) -> None:
        self._database, self._writes = database, writes

    def add(self, who: str, role: str, source: str, action: str, call_id: str, status: int) -> None:
        """Append an entry, to the database and to the log; returns at once."""
        log.info(
            "operator_request",
            operator=who,
            role=role,
            source=source,
            action=action,
            call_sid=call_id,
            status=status,
        )
        entry_id, at_us = f"aud_{secrets.token_hex(10)}", time_ns() // 1000
        entry = AuditWrite(entry_id, at_us, who, role, source, action, call_id, status)
        self._writes.add(Write(AUDIT, msgspec.msgpack.encode(entry)))

    async def page(
        self,
        most: int,
        *,
        who: str = "",
        call_id: str = "",
        since_us: int | None = None,
        until_us: int | None = None,
        after: tuple[int, str] | None = None,
    ) -> tuple[list[AuditEntry], tuple[int, str] | None]:
        """Return entries, newest first, and where the next page begins. Raises DatabaseAway.

        The first page has what this process added before, unless writing it takes too long.
        """
        if after is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.database.OWN_WRITES_MAX_S):
                    await self._writes.flushed()

        def select_page(connection: Connection) -> tuple[Sequence[Any], Any]:
            from sqlalchemy import desc, select, tuple_  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import audit  # noqa: PLC0415

            a, query = audit.c, select(audit)
            if who:
                query = query.where(a.who == who)
            if call_id:
                query = query.where(a.call_id == call_id)
            if since_us is not None:
                query = query.where(a.at >= since_us)
            if until_us is not None:
                query = query.where(a.at < until_us)
            if after is not None:
                query = query.where(tuple_(a.at, a.id) < tuple_(*after))
            return page_of(connection, query.order_by(desc(a.at), desc(a.id)), most)

        rows, last = await self._database.read(select_page)
        return [_entry(row) for row in rows], None if last is None else (last.at, last.id)


def audit_appliers() -> Mapping[str, Apply]:
    """Return the function for `WriteBehind`."""
    return {AUDIT: _apply}


def _apply(connection: Connection, data: bytes) -> None:
    from gateway.ops.database.schema import audit  # noqa: PLC0415 - on the thread
    from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

    entry = msgspec.msgpack.decode(data, type=AuditWrite)
    row = msgspec.structs.asdict(entry)
    row["at"] = row.pop("at_us")
    insert_new(connection, audit, row)


def _entry(row: Any) -> AuditEntry:
    at = datetime.fromtimestamp(row.at / _US, UTC).isoformat(timespec="milliseconds")
    return AuditEntry(
        row.id, at, row.who, row.role, row.source, row.action, row.call_id, row.status
    )
