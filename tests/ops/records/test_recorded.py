"""A stored recording: in the record of its call, on the console, in the operators' own system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from database_end import CALLER, DatabaseEnd, ended_call, open_database

from gateway.call.call_info import CallInfo
from gateway.ops.database.write_behind import Write
from gateway.ops.recordings.joining import RecordingGap, StoredRecording
from gateway.ops.records.record import CallRecord, RecordRecording
from gateway.ops.records.recorded import RECORDING, RecordedCalls, RecordingWrites
from gateway.ops.records.unkept import unkept

INFO = StoredRecording(
    "CA1",
    "CA1",
    "CA1",
    "desk",
    "opus",
    "2026-11-29T09:00:02.000490+00:00",
    61.5,
    9000,
    "ab",
    True,
    "CA1.opus.sealed",
    [RecordingGap("paused", 1.0, 2.0)],
)


def test_record_console_and_events_learn_of_it() -> None:
    writes: list[Write] = []
    events: list[tuple[str, CallInfo, Any]] = []
    shown: list[tuple[str, str, Any]] = []
    RecordedCalls(
        writes.append,
        SimpleNamespace(add=lambda kind, call, data: events.append((kind, call, data)), ended=None),
        SimpleNamespace(publish=lambda *one: shown.append(one)),  # type: ignore[arg-type]
    ).on_stored(INFO)
    ((kind, call, data),) = events
    assert (kind, call.key, call.agent) == ("call.recording", "CA1", "desk")
    assert (call.call_id, call.direction) == ("", "inbound")
    assert data["recording"]["sha256"] == "ab"
    assert data["recording"]["gaps"] == [RecordingGap("paused", 1.0, 2.0)]
    ((shown_call, part, value),) = shown
    assert (shown_call, part, value.key) == ("CA1", "recording", "CA1.opus.sealed")
    (write,) = writes
    assert write.kind == RECORDING
    record = CallRecord(
        "CA1", "CA1", "desk", "m", "media-streams", "", "", "2026-11-29T09:00:00+00:00"
    )

    def change(_connection: Any, call_id: str, to: Callable[[CallRecord], bool]) -> bool:
        assert call_id == "CA1"
        return to(record)

    there: Any = SimpleNamespace(change=change)
    RecordingWrites(there).apply(None, write.data)  # type: ignore[arg-type]
    assert record.recording == RecordRecording(
        "opus", 61.5, 2.0, 9000, "ab", 1, True, "CA1.opus.sealed"
    )
    assert msgspec.json.encode(record)


def test_a_call_on_the_sip_path_keeps_its_key() -> None:
    events: list[CallInfo] = []
    recorded = RecordedCalls(
        lambda _: None,
        SimpleNamespace(add=lambda _kind, call, _data: events.append(call), ended=None),
        SimpleNamespace(publish=lambda *_: None),  # type: ignore[arg-type]
    )
    sip = msgspec.structs.replace(INFO, call="rtc_1", path="sip")
    for info in (sip, msgspec.structs.replace(sip, call="CA1", direction="outbound")):
        recorded.on_stored(info)
    assert [call.key for call in events] == ["rtc_1", "CA1"]


def stored(end: DatabaseEnd, info: StoredRecording) -> None:
    shown: Any = SimpleNamespace(publish=lambda *_: None)
    RecordedCalls(end.writes.add, end.outbox, shown).on_stored(info)


async def test_the_recording_of_a_killed_process_is_found_expires_and_can_be_forgotten(
    tmp_path: Path, database_url: str | None
) -> None:
    """Such a process writes no record, and all three go by the record."""
    async with open_database(tmp_path, database_url) as end:
        writing = asyncio.create_task(end.writes.run())
        who = await end.history.hash_of(CALLER)
        stored(end, msgspec.structs.replace(INFO, caller=who, retain_days=3))
        await end.writes.flushed()
        record = await end.history.find("CA1")
        assert record is not None
        assert record.recording is not None
        assert (record.recording.key, record.reason) == ("CA1.opus.sealed", "process_killed")
        assert (record.state, record.well, record.seconds) == ("ended", False, 61.5)
        assert [call.id for call in await end.history.names_of(who)] == ["CA1"]
        over_us = round((INFO.began + 61.5 + 3 * 86_400) * 1_000_000)
        assert await end.history.due(0, over_us, "") == []
        assert [call.id for call in await end.history.due(0, over_us + 1, "")] == ["CA1"]
        later = ended_call(1, "2026-11-29T09:01:30.000+00:00", id="CA1", call_sid="CA1")
        end.writes.add(end.history.ended(later, CALLER))
        await end.writes.flushed()
        joined = await end.history.find("CA1")
        assert joined is not None
        assert joined.recording is not None, "a part that comes later joins it"
        assert joined.ending == "caller_hung_up"
        writing.cancel()


async def test_no_record_is_made_of_a_call_that_may_have_none(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        end.writes.add(unkept("CA1", "CA1"))
        await end.writes.flushed()
        stored(end, INFO)
        await end.tombstones.add(["CA2"])
        stored(end, msgspec.structs.replace(INFO, call="CA2", call_sid="CA2"))
        await end.writes.flushed()
        assert await end.history.find("CA1") is None
        assert await end.history.find("CA2") is None
        writing.cancel()


def test_the_record_of_a_killed_process_says_what_is_known() -> None:
    added: list[tuple[CallRecord, str, int | None]] = []
    there: Any = SimpleNamespace(
        change=lambda *_: False,
        add_known=lambda _connection, *known: added.append(known),
    )
    writes: list[Write] = []
    unheard: Any = SimpleNamespace(add=lambda *_: None, publish=lambda *_: None)
    told = RecordedCalls(writes.append, unheard, unheard)
    told.on_stored(msgspec.structs.replace(INFO, caller="hash", retain_days=3))
    told.on_stored(msgspec.structs.replace(INFO, path="browser", direction="outbound"))
    for write in writes:
        RecordingWrites(there).apply(None, write.data)  # type: ignore[arg-type] # unused
    ((record, caller, delete_at), (other, _, kept)) = added
    assert record == CallRecord(
        "CA1",
        "CA1",
        "desk",
        "",
        "media-streams",
        "",
        "",
        INFO.began_at,
        state="ended",
        seconds=61.5,
        reason="process_killed",
        well=False,
        arrived_s=0.0,
        recording=RecordRecording("opus", 61.5, 0.0, 9000, "ab", 1, True, "CA1.opus.sealed"),
    )
    assert (caller, delete_at) == ("hash", round((INFO.began + 61.5 + 3 * 86_400) * 1_000_000))
    assert (other.path, other.direction, kept) == ("browser", "outbound", None)
