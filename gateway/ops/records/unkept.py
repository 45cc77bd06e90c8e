"""Deletion of the earlier parts of a call of which an agent that took it over keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.ops.database.write_behind import Write

if TYPE_CHECKING:
    from sqlalchemy import Connection

UNKEPT: Final = "unkept"
"""Kind of the write that deletes the record of a call."""


def unkept(call_id: str) -> Write:
    """Return the write that deletes what other streams or processes have written of a call."""
    return Write(UNKEPT, call_id.encode())


def apply_unkept(connection: Connection, data: bytes) -> None:
    """Delete the record of a call, if it is there; its events are replaced by the outline."""
    from sqlalchemy import delete  # noqa: PLC0415 - on the thread

    from gateway.ops.database.schema import calls  # noqa: PLC0415

    connection.execute(delete(calls).where(calls.c.id == data.decode()))
