"""A stored recording: in the record of its call, on the console, in the operators' own system."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec

from gateway.call.call_info import CallInfo
from gateway.ops.database.write_behind import Write
from gateway.ops.recordings.joining import RecordingGap, StoredRecording
from gateway.ops.records.record import CallRecord, RecordRecording
from gateway.ops.records.recorded import RECORDING, RecordedCalls, RecordingWrites

INFO = StoredRecording(
    "CA1",
    "CA1",
    "CA1",
    "desk",
    "opus",
    "2026-11-29T09:00:02+00:00",
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
    assert data["recording"]["sha256"] == "ab"
    assert data["recording"]["gaps"] == [RecordingGap("paused", 1.0, 2.0)]
    ((shown_call, part, value),) = shown
    assert (shown_call, part, value.key) == ("CA1", "recording", "CA1.opus.sealed")
    (write,) = writes
    assert write.kind == RECORDING
    record = CallRecord(
        "CA1", "CA1", "desk", "m", "media-streams", "", "", "2026-11-29T09:00:00+00:00"
    )

    def change(_connection: Any, call_id: str, to: Callable[[CallRecord], bool]) -> None:
        assert call_id == "CA1"
        assert to(record)

    RecordingWrites(change).apply(None, write.data)  # type: ignore[arg-type]
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
