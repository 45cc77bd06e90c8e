"""Recordings of calls, from the call to the store."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from time import monotonic, time

from gateway import limits
from gateway.bridge.recordings.call_recorder import CallRecorder
from gateway.bridge.recordings.carrier_recordings import CarrierRecordings, CarrierStore
from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.recordings.object_store import RecordingObjects
from gateway.ops.recordings.recording_spool import RecordingSpool
from gateway.ops.recordings.stored_events import StoredEvents
from gateway.ops.recordings.uploader import RecordingUploader
from gateway.ops.recordings.writing_thread import WritingThread
from gateway.ops.records.history import US
from gateway.ops.records.recording_traces import RecordingTraces
from gateway.ops.records.retention import Retention
from gateway.wiring.records import Records
from gateway.wiring.resources import Resources


@dataclass(frozen=True, slots=True)
class Recordings:
    """Running calls write into the spool, and the uploader brings it to the library."""

    recorder: CallRecorder
    uploader: RecordingUploader
    library: RecordingLibrary
    carrier: CarrierRecordings
    stored: StoredEvents
    """To be subscribed to by whoever follows what was stored."""
    traces: RecordingTraces
    """To be deleted with their calls."""
    retention: Retention
    """Deletes records and recordings whose time is over."""

    async def close(self) -> None:
        """Write and store what is left, within a bound."""
        await self.recorder.close()
        await self.carrier.settle(limits.recordings.SETTLE_WAIT_S / 2)
        await self.uploader.settle(limits.recordings.SETTLE_WAIT_S / 2)
        self.uploader.close()


def recordings(r: Resources, kept: Records) -> Recordings:
    settings, metrics = r.settings, r.metrics
    keys = [key.get_secret_value() for key in settings.store_key]
    spool = RecordingSpool(settings.data_dir / "recording-spool", keys)
    library = RecordingLibrary(RecordingObjects(settings.recordings_url), keys)
    stored = StoredEvents()

    def on_error(reason: str) -> None:
        metrics.recording_errors.labels(reason).inc()

    def on_stored(info: StoredRecording) -> None:
        metrics.recordings.inc()
        stored.publish(info)

    def is_running(name: str) -> bool:
        return bool(r.table.calls_of(name)) or r.table.call(name) is not None

    uploader = RecordingUploader(
        spool,
        library,
        r.tasks.start,
        is_running,
        on_stored,
        on_error,
        kept.tombstones.bar,
        stored.dropped,
        first_pause_s=r.tuning.recording_first_pause_s,
        join_wait_s=r.tuning.recording_join_wait_s,
    )
    metrics.recordings_waiting.set_function(lambda: uploader.waiting)
    thread = WritingThread(spool, lambda: time() - monotonic(), uploader.part_closed, on_error)
    carrier = CarrierRecordings(
        r.recordings,
        CarrierStore(spool, library, uploader.look_after),
        r.tasks.start,
        lambda reason: metrics.recordings_refused.labels(reason).inc(),
        on_error,
        kept.tombstones.bar,
        kept.callers.of,
        r.store,
        first_pause_s=r.tuning.recording_first_pause_s,
    )
    stored.subscribe(carrier.on_stored)
    stored.subscribe_to_drops(carrier.on_dropped)
    kept.tombstones.subscribe(uploader.call_dropped)
    recorder = CallRecorder(thread, kept.callers.of)
    traces = RecordingTraces(uploader, carrier.unfinished)
    retention = _retention(r, kept, traces)
    return Recordings(recorder, uploader, library, carrier, stored, traces, retention)


def _retention(r: Resources, kept: Records, recordings_of: RecordingTraces) -> Retention:
    def expire_tombstones(before_us: int) -> Awaitable[None]:
        return kept.tombstones.expire(before_us - round(limits.records.TOMBSTONE_SPARE_S * US))

    return Retention(
        kept.history,
        r.settings.retain_days,
        time,
        (recordings_of,),
        (kept.deliveries.expire, expire_tombstones),
    )
