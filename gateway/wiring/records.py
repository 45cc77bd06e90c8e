"""The database, and the records of calls in it."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, time

from gateway.ops.database.address import database_address
from gateway.ops.database.database import Database
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.spool import Spool
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.records.archive import take_over_files
from gateway.ops.records.callers import CallerHash
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import CallHistory
from gateway.ops.records.late import RESULT, LateWrites
from gateway.ops.records.retention import Retention
from gateway.ops.records.store import RecordStore
from gateway.wiring.resources import Resources


@dataclass(frozen=True, slots=True)
class Records:
    """Records of running and ended calls, and what writes them."""

    event_stream: EventStream
    store: RecordStore
    history: CallHistory
    database: Database
    writes: WriteBehind
    retention: Retention

    def start(self, r: Resources) -> None:
        """Start what runs beside the calls: the database is opened, off the event loop."""
        r.tasks.start(self.writes.run(), "database-writes")
        r.tasks.start(self.retention.run(), "retention")
        files = r.settings.data_dir / "calls"
        r.tasks.start(take_over_files(files, self.history, self.writes), "take-over-records")

    async def close(self) -> None:
        """Write what has ended; what the database does not take now, the next process writes."""
        await self.writes.close()
        await self.database.close()


def records(r: Resources) -> Records:
    """Return the records of calls, and the stream of their changes."""
    settings, metrics = r.settings, r.metrics
    sealer = Sealer([key.get_secret_value() for key in settings.store_key])
    setting = settings.database.get_secret_value() if settings.database else None
    callers = CallerHash(sealer)
    database = Database(
        database_address(setting, settings.data_dir),
        (callers.prepare,),
        metrics.database_errors.inc,
    )
    history = CallHistory(database, sealer, callers)
    writes = WriteBehind(
        database,
        Spool(settings.data_dir / "spool", sealer),
        {**history.appliers, RESULT: LateWrites(history.change).apply},
        lambda reason: metrics.records_lost.labels(reason).inc(),
    )
    metrics.records_waiting.set_function(lambda: writes.waiting)
    event_stream = EventStream(metrics.event_stream_dropped.inc)
    return Records(
        event_stream,
        RecordStore(event_stream, history, writes, monotonic, time),
        history,
        database,
        writes,
        Retention(history, settings.retain_days, time),
    )
