"""Recordings found and deleted by every name of a call."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ops.recordings.parts import NAME, facts, noise, write
from ops.recordings.test_uploader import Process

from gateway.errors import LinkError
from gateway.ops.recordings.library import PARTS
from gateway.ops.recordings.recording_spool import set_aside
from gateway.ops.records.history import CallNames
from gateway.ops.records.recording_traces import RecordingTraces


async def nobody(_name: str) -> int:
    """Return how many the carrier has: none."""
    return 0


async def test_a_recording_goes_from_spool_and_store(tmp_path: Path) -> None:
    process = Process(tmp_path, "one", [])
    write(process.spool, noise(0.2, 1), noise(0.2, 2))
    process.begin()
    await process.next()
    traces = RecordingTraces(process.uploader, nobody)
    calls = [CallNames("rtc_1", NAME), CallNames("CA9", "CA9")]
    assert await traces.left(calls) == 2, "the sound, and what is known of it"
    assert await traces.forget(calls) == 1
    assert await traces.left(calls) == 0
    assert not [path for path in process.store.rglob("*") if path.is_file()]
    await process.close()


async def test_parts_that_were_never_joined_or_could_not_be_read_are_traces_too(
    tmp_path: Path,
) -> None:
    process = Process(tmp_path, "one", [])
    call, other = [CallNames(NAME, NAME)], [CallNames("CA9", "CA9")]
    write(process.spool, noise(0.2, 1))
    (journal,) = process.spool.journals(NAME)
    set_aside(journal)
    await process.library.objects.put(f"{PARTS}/{NAME}/{journal.stem}.wav", b"sound")
    await process.library.objects.put(f"{PARTS}/CA9/part.wav", b"of another call")
    being_written = process.spool.writer(facts(2))
    traces = RecordingTraces(process.uploader, nobody)
    assert await traces.left(call) == 3, "two files of a part, and one in the store"
    assert await traces.forget(call) == 1
    assert await traces.left(call) == 0
    assert await traces.left(other) == 1
    being_written.close("final")
    assert process.spool.journals(NAME), "whoever writes it finds the tombstone when it ends"
    await process.close()


async def test_a_recording_that_the_carrier_still_has_is_left(tmp_path: Path) -> None:
    process = Process(tmp_path, "one", [])

    async def one(name: str) -> int:
        return int(name == NAME)

    traces = RecordingTraces(process.uploader, one)
    assert await traces.left([CallNames("rtc_1", NAME)]) == 1
    await process.close()


async def test_what_the_disk_does_not_delete_is_tried_again() -> None:
    async def delete(_name: str) -> bool:
        raise PermissionError

    uploader: Any = SimpleNamespace(delete=delete)
    with pytest.raises(LinkError) as failed:
        await RecordingTraces(uploader, nobody).forget([CallNames("rtc_1", NAME)])
    assert (failed.value.reason, failed.value.retryable) == ("PermissionError", True)
