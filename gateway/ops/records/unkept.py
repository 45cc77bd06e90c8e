"""Calls that an agent took over that keeps nothing: their earlier parts go, and none comes back.

Another stream or process may have had the call before, under an agent that keeps more. What it
has written is deleted; what it still has in a spool, also that of a process that was killed, is
dropped whenever it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.ops.database.write_behind import Write
from gateway.ops.records.tombstones import Tombstones

if TYPE_CHECKING:
    from sqlalchemy import Connection

UNKEPT: Final = "unkept"
"""Kind of the write that deletes the record of a call, and bars the parts that are to come."""


def unkept(call_id: str, call_sid: str = "") -> Write:
    """Return the write that deletes what other streams or processes have kept of a call."""
    return Write(UNKEPT, msgspec.msgpack.encode([call_id, call_sid]))


class UnkeptWrites:
    """Writes that leave of a call nothing but its end; its events are replaced by the outline."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones

    def apply(self, connection: Connection, data: bytes) -> None:
        """Delete the record of a call, if it is there, and have its recording deleted."""
        from sqlalchemy import delete  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import calls  # noqa: PLC0415

        names = msgspec.msgpack.decode(data, type=list[str])
        connection.execute(delete(calls).where(calls.c.id == names[0]))
        self._tombstones.keep_nothing(connection, names)
