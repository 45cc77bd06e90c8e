"""Audio formats of the Realtime API: PCM16 at 24 kHz, mu-law, A-law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from gateway.audio.g711 import CALLER_HZ, MODEL_HZ, audioop

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class AudioFormatInfo:
    """Audio format of a session: its rate, sample size and conversion to PCM16."""

    name: str
    hz: int
    sample_bytes: int
    expand: Callable[[bytes, int], bytes] | None = None
    compress: Callable[[bytes, int], bytes] | None = None

    @property
    def bytes_per_ms(self) -> int:
        return self.hz * self.sample_bytes // 1000

    def ms(self, size_bytes: int) -> int:
        return size_bytes // self.bytes_per_ms

    def linear(self, audio: bytes) -> bytes:
        """Return PCM16 at this format's own rate."""
        return self.expand(audio, 2) if self.expand else audio

    def pack(self, samples: Samples) -> bytes:
        """Encode samples at 24 kHz in this format."""
        pcm = resample(samples, MODEL_HZ, self.hz).tobytes()
        return self.compress(pcm, 2) if self.compress else pcm

    def unpack(self, audio: bytes) -> Samples:
        """Decode to samples at 24 kHz."""
        return resample(np.frombuffer(self.linear(audio), dtype="<i2"), self.hz, MODEL_HZ)


WIRES: Final = {
    "audio/pcm": AudioFormatInfo("audio/pcm", MODEL_HZ, 2),
    "audio/pcmu": AudioFormatInfo("audio/pcmu", CALLER_HZ, 1, audioop.ulaw2lin, audioop.lin2ulaw),
    "audio/pcma": AudioFormatInfo("audio/pcma", CALLER_HZ, 1, audioop.alaw2lin, audioop.lin2alaw),
}


def wire_of(format_: dict[str, Any]) -> AudioFormatInfo:
    """Return the format that a session's `format` object names."""
    return WIRES[format_["type"]]


def resample(samples: NDArray[np.int16], from_hz: int, to_hz: int) -> Samples:
    """Resample a whole sound by soxr, which saturates."""
    if from_hz == to_hz or not len(samples):
        return samples
    resampled: Samples = soxr.resample(samples, from_hz, to_hz, quality="HQ")
    return resampled


def rms(pcm: bytes) -> int:
    """Return the RMS of PCM16, 0..32768."""
    return audioop.rms(pcm, 2)
