"""Sound, facts and parts of recordings, for tests."""

from __future__ import annotations

from random import Random

from gateway.audio.stereo_timeline import RecordingMark
from gateway.ops.recordings.recording_spool import PartFacts, RecordingSpool

NAME = "CA" + "5" * 32
BEGAN = 1_790_000_000.5


def noise(seconds: float, seed: int = 1) -> bytes:
    """Stereo mu-law."""
    return Random(seed).randbytes(round(seconds * 8000) * 2)


def facts(
    part: int = 1,
    *,
    name: str = NAME,
    began: float = BEGAN,
    kind: str = "wav",
    caller: str = "",
) -> PartFacts:
    part_id = f"{name}~{part:04}~{part:08x}"
    return PartFacts(part_id, name, name, name, "desk", kind, began, caller=caller)


def write(
    spool: RecordingSpool,
    sound: bytes,
    ending: str = "final",
    part: int = 1,
    *,
    began: float = BEGAN,
    marks: tuple[RecordingMark, ...] = (),
    name: str = NAME,
    kind: str = "wav",
    caller: str = "",
) -> PartFacts:
    """Write a part as a recorded call does; without an ending as one whose process was killed."""
    of = facts(part, name=name, began=began, kind=kind, caller=caller)
    writer = spool.writer(of)
    for at in range(0, len(sound), 8000):
        writer.write(sound[at : at + 8000])
    for mark in marks:
        writer.mark(mark)
    if ending:
        writer.close(ending)
    else:
        writer.abandon()
    return of
