"""The database, and the records of calls in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, time

import structlog

from gateway.errors import DatabaseAway
from gateway.ops.access.audit_log import AuditLog, audit_appliers
from gateway.ops.access.token_book import ROLES, NamedToken, TokenBook
from gateway.ops.database.address import database_address
from gateway.ops.database.database import Database
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.spool import Spool
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.delivery.delivery_queue import DeliveryQueue, DeliveryStats
from gateway.ops.delivery.outbox import EventOutbox, OutboxTable
from gateway.ops.delivery.sender import EventSender
from gateway.ops.delivery.signing import EventSigner
from gateway.ops.records.archive import take_over_files
from gateway.ops.records.callers import CallerHash
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import CallHistory
from gateway.ops.records.late import RESULT, LateWrites
from gateway.ops.records.live_changes import LiveChanges
from gateway.ops.records.recorded import RECORDING, RecordedCalls, RecordingWrites
from gateway.ops.records.store import RecordStore
from gateway.ops.records.tombstones import Tombstones
from gateway.ops.records.unkept import UNKEPT, UnkeptWrites
from gateway.ops.store.caller_index import CallerIndex
from gateway.settings import load_tokens
from gateway.wiring.resources import Resources

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Records:
    """Records of running and ended calls, and what writes them."""

    event_stream: EventStream
    store: RecordStore
    changes: LiveChanges
    history: CallHistory
    database: Database
    writes: WriteBehind
    outbox: EventOutbox
    deliveries: DeliveryQueue
    sender: EventSender | None
    tokens: TokenBook
    audit: AuditLog
    recorded: RecordedCalls
    callers: CallerHash
    tombstones: Tombstones
    caller_index: CallerIndex

    def start(self, r: Resources) -> None:
        """Start what runs beside the calls: the database is opened, off the event loop."""
        r.tasks.start(self.writes.run(), "database-writes")
        if self.sender is not None:
            r.tasks.start(self.sender.run(), "event-deliveries")
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
    tombstones = Tombstones(database, callers)
    table = OutboxTable(sealer, callers, tombstones)
    history = CallHistory(database, sealer, callers, tombstones, table)
    writes = WriteBehind(
        database,
        Spool(settings.data_dir / "spool", sealer),
        {
            **history.appliers,
            **table.appliers,
            **audit_appliers(),
            UNKEPT: UnkeptWrites(tombstones).apply,
            RESULT: LateWrites(history.change).apply,
            RECORDING: RecordingWrites(history).apply,
        },
        lambda reason: metrics.records_lost.labels(reason).inc(),
    )
    metrics.records_waiting.set_function(lambda: writes.waiting)
    deliveries = DeliveryQueue(database, sealer)
    sender = _sender(r, deliveries)
    outbox = EventOutbox(
        writes, callers, sender.wake if sender else lambda: None, enabled=sender is not None
    )
    event_stream = EventStream(metrics.event_stream_dropped.inc)
    changes = LiveChanges(shared=r.store.shared)
    return Records(
        event_stream,
        RecordStore(event_stream, history, writes, outbox, changes, monotonic, time),
        changes,
        history,
        database,
        writes,
        outbox,
        deliveries,
        sender,
        TokenBook(_named(settings.operator_tokens), database),
        AuditLog(database, writes),
        RecordedCalls(writes.add, outbox, event_stream),
        callers,
        tombstones,
        CallerIndex(r.store, partial(_hash_of, callers, history)),
    )


async def _hash_of(callers: CallerHash, history: CallHistory, number: str) -> str:
    """Return the keyed hash of a number; empty while the database, which has the key, is away."""
    if callers.known:
        return callers.of(number)
    try:
        return await history.hash_of(number)
    except DatabaseAway:
        return ""


def read_tokens(kept: Records, environ: Mapping[str, str]) -> None:
    """Take the operators' tokens as they stand in the environment, and its file, now.

    Raises SettingsError, and nothing changes then.
    """
    named = _named(load_tokens(environ))
    if kept.tokens.replace(named):
        log.info("operator_tokens_changed", operators=[token.name for token in named])


def _named(given: Sequence[tuple[str, str, str]]) -> list[NamedToken]:
    return [
        NamedToken(name, role, token)
        for name, as_given, token in given
        for role in ROLES
        if role == as_given
    ]


def _sender(r: Resources, deliveries: DeliveryQueue) -> EventSender | None:
    settings, metrics = r.settings, r.metrics
    if settings.events_url is None:
        return None

    def seen(stats: DeliveryStats) -> None:
        metrics.deliveries_waiting.labels("pending").set(stats.pending)
        metrics.deliveries_waiting.labels("parked").set(stats.parked)
        metrics.delivery_oldest.set(stats.oldest_s)

    signer = EventSigner([secret.get_secret_value() for secret in settings.events_secret])
    return EventSender(
        settings.events_url.get_secret_value(),
        signer,
        deliveries,
        lambda outcome: metrics.deliveries.labels(outcome).inc(),
        seen,
    )
