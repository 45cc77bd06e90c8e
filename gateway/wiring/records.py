"""Records of calls."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, time

from gateway.ops.records.archive import RecordArchive
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.store import RecordStore
from gateway.wiring.resources import Resources


@dataclass(frozen=True, slots=True)
class Records:
    event_stream: EventStream
    store: RecordStore


def records(r: Resources) -> Records:
    """Return the records of calls, and the stream of their changes."""
    event_stream = EventStream(r.metrics.event_stream_dropped.inc)
    archive = RecordArchive(
        r.settings.data_dir / "calls", lambda reason: r.metrics.records_lost.labels(reason).inc()
    )
    return Records(event_stream, RecordStore(event_stream, archive, monotonic, time))
