"""Recordings in the records of their calls: written when the sound is stored, after the call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from gateway.call.call_info import CallInfo, CallPath
from gateway.ops.database.write_behind import Write
from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.late import Change
from gateway.ops.records.record import CallRecord, RecordRecording
from gateway.ops.records.store import CallOutbox

if TYPE_CHECKING:
    from sqlalchemy import Connection

RECORDING: Final = "recording"
"""Kind of the write that names a recording in the record of its call."""


class _Recorded(Struct):
    call_id: str
    began: float
    recording: RecordRecording


class RecordingWrites:
    """Writes of recordings; `change` changes the record of a call in the database."""

    def __init__(self, change: Callable[[Connection, str, Change], None]) -> None:
        self._change = change

    def apply(self, connection: Connection, data: bytes) -> None:
        """Name the recording in the record; nothing where the call was not kept."""
        told = msgspec.msgpack.decode(data, type=_Recorded)

        def change(record: CallRecord) -> bool:
            record.recording = told.recording
            began = datetime.fromisoformat(record.began_at).timestamp()
            record.recording.began_s = round(told.began - began, 3)
            return True

        self._change(connection, told.call_id, change)


class RecordedCalls:
    """Tells record, console and the operators' own system of each recording that is stored."""

    def __init__(
        self, add: Callable[[Write], None], outbox: CallOutbox, event_stream: EventStream
    ) -> None:
        self._add, self._outbox, self._event_stream = add, outbox, event_stream

    def on_stored(self, info: StoredRecording) -> None:
        recording = RecordRecording(
            format=info.format,
            seconds=info.seconds,
            began_s=0.0,
            bytes=info.bytes,
            sha256=info.sha256,
            gaps=len(info.gaps),
            sealed=info.sealed,
            key=info.key,
        )
        told = _Recorded(info.call, info.began, recording)
        self._add(Write(RECORDING, msgspec.msgpack.encode(told)))
        self._event_stream.publish(info.call, "recording", recording)
        self._outbox.add(
            "call.recording",
            _call(info),
            {
                "recording": {
                    "key": info.key,
                    "format": info.format,
                    "began_at": info.began_at,
                    "seconds": info.seconds,
                    "bytes": info.bytes,
                    "sha256": info.sha256,
                    "sealed": info.sealed,
                    "gaps": info.gaps,
                }
            },
        )


def _call(info: StoredRecording) -> CallInfo:
    path: CallPath = "sip" if info.path == "sip" else "media-streams"
    if info.path == "browser":
        path = "browser"
    call_id = info.call if path == "sip" and info.direction != "outbound" else ""
    return CallInfo(info.call_sid, "", "", info.agent, path, call_id, info.direction)
