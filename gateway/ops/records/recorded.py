"""Recordings in the records of their calls: written when the sound is stored, after the call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec
from msgspec import Struct

from gateway.call.call_info import CallInfo, CallPath
from gateway.ops.database.write_behind import Write
from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import US
from gateway.ops.records.late import Change
from gateway.ops.records.record import CallRecord, RecordRecording
from gateway.ops.records.store import CallOutbox

if TYPE_CHECKING:
    from sqlalchemy import Connection

RECORDING: Final = "recording"
"""Kind of the write that names a recording in the record of its call."""
_DAY_S: Final = 86_400


class _KnownCall(Struct):
    """Facts of a call by the parts of its recording, for one that nobody wrote a record of."""

    call_sid: str
    agent: str
    path: CallPath
    direction: Literal["inbound", "outbound"]
    began_at: str
    caller_hash: str
    retain_days: int | None


class _Recorded(Struct):
    call_id: str
    began: float
    recording: RecordRecording
    call: _KnownCall | None = None


class CallRecords(Protocol):
    """Records of ended calls in the database."""

    def change(self, connection: Connection, call_id: str, change: Change) -> bool:
        """Change the record of a call; return whether it is there."""
        ...

    def add_known(
        self, connection: Connection, record: CallRecord, caller_hash: str, delete_at: int | None
    ) -> None:
        """Add what is known of a call, unless nothing of it may be kept."""
        ...


class RecordingWrites:
    """Writes of recordings into the records of their calls.

    A process that is killed writes no record, and its recording is stored all the same. A record
    is made of what is known then: by it the recording is found, expires, and can be forgotten.
    """

    def __init__(self, records: CallRecords) -> None:
        self._records = records

    def apply(self, connection: Connection, data: bytes) -> None:
        """Name the recording in the record; nothing where the call may not be kept."""
        told = msgspec.msgpack.decode(data, type=_Recorded)

        def change(record: CallRecord) -> bool:
            record.recording = told.recording
            began = datetime.fromisoformat(record.began_at).timestamp()
            record.recording.began_s = round(told.began - began, 3)
            return True

        if self._records.change(connection, told.call_id, change) or told.call is None:
            return
        record, known = _known_record(told.call_id, told.call, told.recording), told.call
        days, delete_at = known.retain_days, None
        if days is not None:
            ended = told.began + told.recording.seconds
            delete_at = round((ended + days * _DAY_S) * US)
        self._records.add_known(connection, record, known.caller_hash, delete_at)


def _known_record(call_id: str, known: _KnownCall, recording: RecordRecording) -> CallRecord:
    """Return the record of a call of which its process, which was killed, has written none."""
    return CallRecord(
        id=call_id,
        call_sid=known.call_sid,
        agent=known.agent,
        model="",
        path=known.path,
        caller="",
        dialled="",
        began_at=known.began_at,
        direction=known.direction,
        state="ended",
        seconds=recording.seconds,
        reason="process_killed",
        well=False,
        arrived_s=0.0,
        recording=recording,
    )


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
        call = _call(info)
        known = _KnownCall(
            info.call_sid,
            info.agent,
            call.path,
            "outbound" if info.direction == "outbound" else "inbound",
            info.began_at,
            info.caller,
            info.retain_days,
        )
        told = _Recorded(info.call, info.began, recording, known)
        self._add(Write(RECORDING, msgspec.msgpack.encode(told)))
        self._event_stream.publish(info.call, "recording", recording)
        self._outbox.add(
            "call.recording",
            call,
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
