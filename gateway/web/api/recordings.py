"""Recordings in the operators' API: the sound with ranges, what is known of it, and pauses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway import limits
from gateway.audio.sound_files import MEDIA_TYPES
from gateway.errors import LinkError, PeerError
from gateway.ops.recordings.joining import RecordingGap, StoredRecording
from gateway.ops.recordings.library import RecordingLibrary, RecordingReader
from gateway.ops.records.record import CallRecord
from gateway.web.http.problems import RequestRefused

log = structlog.get_logger()
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class PauseBody(Struct, forbid_unknown_fields=True):
    paused: bool
    """Whether nothing is to be recorded from now on."""


class RecordingInfo(Struct):
    """Facts about a recording, without its sound."""

    call: str
    format: str
    media_type: str
    began_at: str
    """When its first sample was heard: RFC 3339, UTC."""
    began_s: float
    """The same in seconds since the call was announced, as in its record."""
    seconds: float
    bytes: int
    sha256: str
    """Of the sound file."""
    sealed: bool
    """Whether it is stored encrypted."""
    gaps: list[RecordingGap]
    points_per_s: int
    waveform_caller: str
    """The loudest sample, 0 to 255 on a logarithmic scale, of each point; base64."""
    waveform_agent: str


@dataclass(frozen=True, slots=True)
class RecordingEndpoints:
    """Answers about the recording of a call."""

    library: RecordingLibrary

    async def sound(self, request: Request, record: CallRecord) -> Response:
        """Return the sound file, or the range of it that is asked for. Raises RequestRefused."""
        reader = await self._found(record)
        info = reader.info
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": f'"{info.sha256}"',
            "Content-Disposition": f'inline; filename="{info.name}.{info.format}"',
        }
        wanted = _range(request, info)
        if wanted is None:
            raise RequestRefused(
                416, "There is no such range.", {"Content-Range": f"bytes */{info.bytes}"}
            )
        start, end, partial = wanted
        if partial:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{info.bytes}"
        headers["Content-Length"] = str(end - start)
        log.info("operator_action", action="hear_recording", call_sid=info.call_sid)
        return StreamingResponse(
            _told(reader.read(start, end), info),
            206 if partial else 200,
            headers,
            MEDIA_TYPES[info.format],
        )

    async def info(self, record: CallRecord, began: float) -> RecordingInfo:
        """Return what is known of it; `began` is when the call was announced, Unix time."""
        info = (await self._found(record)).info
        return RecordingInfo(
            call=record.id,
            format=info.format,
            media_type=MEDIA_TYPES[info.format],
            began_at=info.began_at,
            began_s=round(info.began - began, 3),
            seconds=info.seconds,
            bytes=info.bytes,
            sha256=info.sha256,
            sealed=info.sealed,
            gaps=info.gaps,
            points_per_s=limits.recordings.PEAKS_PER_S,
            waveform_caller=info.waveform_caller,
            waveform_agent=info.waveform_agent,
        )

    async def _found(self, record: CallRecord) -> RecordingReader:
        try:
            reader = await self.library.find(record.call_sid or record.id)
        except LinkError as error:
            log.warning("recordings_unreachable", reason=error.reason)
            raise RequestRefused(503, "The store of the recordings does not answer.") from None
        except PeerError as error:
            log.error("recording_unreadable", call_sid=record.call_sid, problem=str(error))
            raise RequestRefused(500, "The recording cannot be read: see the log.") from None
        if reader is None:
            raise RequestRefused(404, "There is no recording of this call, or not yet.")
        return reader


def _range(request: Request, info: StoredRecording) -> tuple[int, int, bool] | None:
    """Return from where to where, and whether it is a part; None for what cannot be met.

    One range; several, and what cannot be read, get the whole file (RFC 9110, 14.2).
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    unchanged = request.headers.get("if-range", f'"{info.sha256}"') == f'"{info.sha256}"'
    if found is None or found[1] == found[2] == "" or not unchanged:
        return 0, info.bytes, False
    if not found[1]:
        start, end = max(0, info.bytes - int(found[2])), info.bytes
    else:
        start = int(found[1])
        end = min(info.bytes, int(found[2]) + 1) if found[2] else info.bytes
        if found[2] and int(found[2]) < start:
            return 0, info.bytes, False
    return (start, end, True) if start < end else None


async def _told(blocks: AsyncIterator[bytes], info: StoredRecording) -> AsyncIterator[bytes]:
    """Pass blocks on; a store that fails in the middle cuts the answer short."""
    try:
        async for block in blocks:
            yield block
    except (LinkError, PeerError) as error:
        log.warning("recording_cut_short", call_sid=info.call_sid, problem=str(error))
        raise
