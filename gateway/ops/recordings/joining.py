"""Joins the parts of a call into one file: the gaps between them are silence, and marked."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.audio.g711 import CALLER_HZ, MULAW_SILENCE
from gateway.audio.sound_files import CHANNELS, ByteSink, SoundFormat, peaks, sound_writer
from gateway.audio.stereo_timeline import RecordingMark
from gateway.limits import recordings as limits
from gateway.ops.recordings.recording_spool import PartFacts

_GAP_MAX: Final = round(limits.GAP_MAX_S * CALLER_HZ)
_MAX_SAMPLES: Final = round(limits.RECORDING_MAX_S * CALLER_HZ)
_POINT_BYTES: Final = CALLER_HZ // limits.PEAKS_PER_S * CHANNELS
_SECOND_BYTES: Final = CALLER_HZ * CHANNELS


class RecordingGap(Struct):
    """A stretch in which sound is missing."""

    kind: str
    """`paused`; `gap`: it was lost; `moved`: the call was on its way to another stream or process;
    `killed`: the same, after a process that was killed."""
    from_s: float
    to_s: float


class StoredRecording(Struct):
    """A recording that is complete and stored, and all that is known of it."""

    name: str
    call: str
    """The call's id in the API."""
    call_sid: str
    agent: str
    format: str
    began_at: str
    """When its first sample was heard: RFC 3339, UTC."""
    seconds: float
    bytes: int
    """Of the sound file as it is served; sealed it is a little larger."""
    sha256: str
    """Of the same."""
    sealed: bool
    key: str
    """Name of the object, below `GATEWAY_RECORDINGS`."""
    gaps: list[RecordingGap] = []
    path: str = "media-streams"
    direction: str = "inbound"
    caller: str = ""
    """Keyed hash of the caller's number, where it is known."""
    retain_days: int | None = None
    """Of the agent, while the call was led by it."""
    parts: list[str] = []
    """Ids of the parts that are in it."""
    waveform_caller: str = ""
    """The loudest sample, 0 to 255 on a logarithmic scale, of each tenth of a second; base64."""
    waveform_agent: str = ""

    @property
    def began(self) -> float:
        """Unix time of its first sample."""
        return datetime.fromisoformat(self.began_at).timestamp()


@dataclass(frozen=True, slots=True)
class JoinedPart:
    """Sound that goes into a recording, and where on the clock it stands."""

    facts: PartFacts
    samples: int
    marks: Sequence[RecordingMark]
    ending: str
    ids: Sequence[str]
    """Of the parts that are in it: several if it was joined before."""
    sound: Callable[[], Iterator[bytes]]
    """Yields its stereo mu-law."""


def join(
    parts: Sequence[JoinedPart], target: Path, secret: str | None, key: Callable[[str], str]
) -> StoredRecording:
    """Write the file of a call's parts and return what is known of it.

    `key` returns the object's name for a file extension. Blocks for about a second for each
    minute of Opus. Raises OSError, PeerError.
    """
    ordered = sorted(parts, key=lambda part: (part.facts.began, part.facts.id))
    placed, length = _placed(ordered)
    facts = ordered[-1].facts
    days = [one.facts.retain_days for one in ordered if one.facts.retain_days is not None]
    file_format: SoundFormat = "wav" if facts.format == "wav" else "opus"
    waveform = (bytearray(), bytearray())
    with ExitStack() as stack:
        file = stack.enter_context(os.fdopen(os.open(target, _FLAGS, 0o600), "wb"))
        sink = _Hashed(_sealed(file, secret, stack))
        write = stack.enter_context(sound_writer(sink, file_format, length))
        for block in _seconds(_sound(placed, length)):
            write(block)
            for at in range(0, len(block), _POINT_BYTES):
                for channel, peak in zip(
                    waveform, peaks(block[at : at + _POINT_BYTES]), strict=True
                ):
                    channel.append(peak)
    return StoredRecording(
        name=facts.name,
        call=facts.call,
        call_sid=facts.call_sid,
        agent=facts.agent,
        format=file_format,
        began_at=datetime.fromtimestamp(ordered[0].facts.began, UTC).isoformat(),
        seconds=round(length / CALLER_HZ, 6),
        bytes=sink.size,
        sha256=sink.digest.hexdigest(),
        sealed=secret is not None,
        key=key(file_format),
        path=facts.path,
        direction=facts.direction,
        caller=next((one.facts.caller for one in ordered if one.facts.caller), ""),
        retain_days=min(days, default=None),
        gaps=_gaps(placed),
        parts=[one for part in ordered for one in part.ids],
        waveform_caller=b64encode(waveform[0]).decode(),
        waveform_agent=b64encode(waveform[1]).decode(),
    )


_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _sealed(file: ByteSink, secret: str | None, stack: ExitStack) -> ByteSink:
    if secret is None:
        return file
    from gateway.ops.recordings.sealed_file import SealedSink  # noqa: PLC0415 - with a key only

    sealed = SealedSink(file, secret)
    stack.callback(sealed.close)
    return sealed


class _Hashed:
    """Passes bytes on, counts them and computes their digest."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink, self.size, self.digest = sink, 0, sha256()

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self.digest.update(data)
        self.size += len(data)


def _placed(ordered: Sequence[JoinedPart]) -> tuple[list[tuple[int, JoinedPart]], int]:
    """Return where each part begins, in samples, and how long all of it is.

    Clocks of two machines may disagree: a part never begins before the one before it ends.
    """
    placed: list[tuple[int, JoinedPart]] = []
    end = 0
    for part in ordered:
        since_first = round((part.facts.began - ordered[0].facts.began) * CALLER_HZ)
        begin = min(max(end, since_first), end + _GAP_MAX)
        placed.append((begin, part))
        end = begin + part.samples
    return placed, min(end, _MAX_SAMPLES)


def _sound(placed: Sequence[tuple[int, JoinedPart]], length: int) -> Iterator[bytes]:
    """Yield precisely `length` samples of stereo mu-law."""
    at = 0
    for begin, part in placed:
        yield from _silence(min(begin, length) - at)
        at = min(begin, length)
        left = min(part.samples, length - at)
        for block in part.sound():
            taken = block[: left * CHANNELS]
            yield taken
            left -= len(taken) // CHANNELS
        yield from _silence(left)
        at = min(at + part.samples, length)


def _silence(samples: int) -> Iterator[bytes]:
    while samples > 0:
        size = min(samples, CALLER_HZ)
        yield MULAW_SILENCE * (size * CHANNELS)
        samples -= size


def _seconds(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same in blocks of a second: what is shorter is the end."""
    pending = bytearray()
    for block in blocks:
        pending += block
        while len(pending) >= _SECOND_BYTES:
            yield bytes(pending[:_SECOND_BYTES])
            del pending[:_SECOND_BYTES]
    if pending:
        yield bytes(pending)


def _gaps(placed: Sequence[tuple[int, JoinedPart]]) -> list[RecordingGap]:
    found: list[RecordingGap] = []
    before: tuple[int, str] | None = None
    for begin, part in placed:
        if before is not None:
            end, ending = before
            kind = "killed" if ending == "killed" else "moved"
            found.append(RecordingGap(kind, _s(end), _s(begin)))
        for mark in part.marks:
            end = part.samples if mark.end is None else mark.end
            found.append(RecordingGap(mark.kind, _s(begin + mark.start), _s(begin + end)))
        before = begin + part.samples, part.ending
    return found[: limits.MARKED_MAX]


def _s(samples: int) -> float:
    return round(samples / CALLER_HZ, 4)
