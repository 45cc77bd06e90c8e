"""A database with everything that writes to it, on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import time

from gateway import limits
from gateway.ops.access.audit_log import AuditLog, audit_appliers
from gateway.ops.database.address import FILE_NAME, database_address
from gateway.ops.database.database import Database
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.spool import Spool
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.delivery.delivery_queue import DeliveryQueue
from gateway.ops.delivery.outbox import EventOutbox, OutboxTable
from gateway.ops.records.callers import CallerHash
from gateway.ops.records.history import CallHistory
from gateway.ops.records.late import RESULT, LateWrites
from gateway.ops.records.record import CallRecord
from gateway.ops.records.recorded import RECORDING, RecordingWrites
from gateway.ops.records.tombstones import Tombstones
from gateway.ops.records.unkept import UNKEPT, UnkeptWrites

CALLER = "+15551230042"


@dataclass
class DatabaseEnd:
    """What a gateway has, as `gateway.wiring.records` makes it."""

    folder: Path
    url: str | None = None
    keys: tuple[str, ...] = ()
    delivers: bool = False
    lost: list[str] = field(default_factory=list)
    pause_first_s: float = limits.database.WRITE_FIRST_PAUSE_S
    failed: Callable[[], None] = lambda: None
    """Called on the database's thread for each request that was not served."""

    def __post_init__(self) -> None:
        self.sealer = Sealer(self.keys)
        self.callers = CallerHash(self.sealer)
        self.database = Database(
            database_address(self.url, self.folder), (self.callers.prepare,), self.failed
        )
        self.tombstones = Tombstones(self.database, self.callers)
        self.table = OutboxTable(self.sealer, self.callers, self.tombstones)
        self.history = CallHistory(
            self.database, self.sealer, self.callers, self.tombstones, self.table
        )
        self.spool = Spool(self.folder / "spool", self.sealer)
        self.writes = WriteBehind(
            self.database,
            self.spool,
            {
                **self.history.appliers,
                **self.table.appliers,
                **audit_appliers(),
                RESULT: LateWrites(self.history.change).apply,
                RECORDING: RecordingWrites(self.history).apply,
                UNKEPT: UnkeptWrites(self.tombstones).apply,
            },
            self.lost.append,
            pause_first_s=self.pause_first_s,
        )
        self.outbox = EventOutbox(self.writes, self.callers, enabled=self.delivers)
        self.audit = AuditLog(self.database, self.writes)
        self.queue = DeliveryQueue(self.database, self.sealer)

    async def close(self) -> None:
        await self.writes.close()
        await self.database.close()


@contextlib.asynccontextmanager
async def open_database(
    folder: Path,
    url: str | None = None,
    keys: tuple[str, ...] = (),
    *,
    delivers: bool = False,
    pause_first_s: float = limits.database.WRITE_FIRST_PAUSE_S,
    failed: Callable[[], None] = lambda: None,
) -> AsyncIterator[DatabaseEnd]:
    end = DatabaseEnd(folder, url, keys, delivers, pause_first_s=pause_first_s, failed=failed)
    try:
        yield end
    finally:
        await end.close()


def ended_call(
    number: int = 1, began_at: str = "2026-09-21T14:13:20.250+00:00", **changes: object
) -> CallRecord:
    """Return the record of a call that has ended."""
    return CallRecord(
        **{
            "id": f"CA{number:032}",
            "call_sid": f"CA{number:032}",
            "agent": "desk",
            "model": "gpt-realtime-2.1",
            "path": "media-streams",
            "caller": "...42",
            "dialled": "...00",
            "began_at": began_at,
            "state": "ended",
            "seconds": 10.0,
            "ending": "caller_hung_up",
            "well": True,
            **changes,
        }  # type: ignore[arg-type] # fields by name
    )


def now_us() -> int:
    return round(time() * 1_000_000)


@cache
def _migrated() -> bytes:
    """An empty database with all tables; making them takes a tenth of a second each time."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(database_address(None, Path(folder)))
        database.run(lambda connection: None)
        database.dispose()
        return (Path(folder) / FILE_NAME).read_bytes()


def put_database(folder: Path) -> None:
    """Have an empty database in this folder, unless there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE_NAME).exists():
        (folder / FILE_NAME).write_bytes(_migrated())
