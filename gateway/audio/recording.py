"""WAV files, levels, and resampling at any ratio for what is not live."""

from __future__ import annotations

import math
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from gateway.errors import FileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SILENCE_DBFS = -100.0
_SAMPLE_BYTES = 2
# The root mean square of a full-scale sine, which is 0 dBFS here (AES17).
_FULL_SCALE_RMS = 32_768 / math.sqrt(2)


def write_wav(path: Path | str, channels: list[bytes], hz: int) -> None:
    """Write PCM16 channels of any lengths side by side; the shorter ones end in silence."""
    tracks = [np.frombuffer(channel, np.int16) for channel in channels]
    frames = np.zeros((max(map(len, tracks)), len(tracks)), np.int16)
    for column, track in enumerate(tracks):
        frames[: len(track), column] = track
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(tracks))
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(hz)
        file.writeframes(frames.tobytes())


def read_wav(path: Path | str) -> tuple[NDArray[np.int16], int]:
    """Samples, shaped (n,) or (n, channels), and their rate; FileError if not 16-bit PCM."""
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, hz = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise FileError(path, None, None, f"is not a readable WAV file ({error})") from error
    if width != _SAMPLE_BYTES:
        raise FileError(path, None, None, f"has {8 * width}-bit samples; convert it to 16-bit PCM")
    whole = len(data) // (_SAMPLE_BYTES * channels) * _SAMPLE_BYTES * channels
    samples = np.frombuffer(data[:whole], np.int16)
    return samples if channels == 1 else samples.reshape(-1, channels), hz


def to_hz(pcm: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    """Resample whole recordings, shaped (n,) or (n, channels), at the best quality."""
    if from_hz == to_hz:
        return pcm
    return np.asarray(soxr.resample(pcm, from_hz, to_hz, quality="VHQ"), np.int16)


def rms_dbfs(pcm: NDArray[np.int16]) -> float:
    """Level in dB below a full-scale sine; SILENCE_DBFS for nothing and near nothing."""
    if not pcm.size:
        return SILENCE_DBFS
    rms = math.sqrt(np.mean(np.square(pcm, dtype=np.float64)))
    return max(SILENCE_DBFS, 20 * math.log10(rms / _FULL_SCALE_RMS)) if rms else SILENCE_DBFS
