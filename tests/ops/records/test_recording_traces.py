"""Recordings found and deleted by every name of a call."""

from __future__ import annotations

from pathlib import Path

from ops.recordings.parts import NAME, noise, write
from ops.recordings.test_uploader import Process

from gateway.ops.records.history import CallNames
from gateway.ops.records.recording_traces import RecordingTraces


async def test_a_recording_goes_from_spool_and_store(tmp_path: Path) -> None:
    process = Process(tmp_path, "one", [])
    write(process.spool, noise(0.2, 1), noise(0.2, 2))
    process.begin()
    await process.next()
    traces = RecordingTraces(process.uploader, process.library)
    calls = [CallNames("rtc_1", NAME), CallNames("CA9", "CA9")]
    assert await traces.left(calls) == 1
    assert await traces.forget(calls) == 1
    assert await traces.left(calls) == 0
    assert not [path for path in process.store.rglob("*") if path.is_file()]
    await process.close()
