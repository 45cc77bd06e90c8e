"""WAV files, and resampling of whole recordings at any ratio."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE_BYTES = 2


def write_wav(target: Path | str | BinaryIO, channels: list[bytes], hz: int) -> None:
    """Write PCM16 channels of any lengths side by side; the shorter ones end in silence."""
    tracks = [np.frombuffer(channel, np.int16) for channel in channels]
    frames = np.zeros((max(map(len, tracks)), len(tracks)), np.int16)
    for column, track in enumerate(tracks):
        frames[: len(track), column] = track
    # A path may be a `Path`, which `wave` does not take before Python 3.12.
    where = str(target) if isinstance(target, Path) else target
    with wave.open(where, "wb") as file:
        file.setnchannels(len(tracks))
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(hz)
        file.writeframes(frames.tobytes())


def to_hz(pcm: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    """Resample whole recordings, shaped (n,) or (n, channels), at the best quality."""
    if from_hz == to_hz:
        return pcm
    return np.asarray(soxr.resample(pcm, from_hz, to_hz, quality="VHQ"), np.int16)
