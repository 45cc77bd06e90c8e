"""Speech of the far ends, cut and coded before anything is measured."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.audio.g711 import (
    CALLER_HZ,
    FRAME_MS,
    MODEL_HZ,
    MULAW_BYTES_PER_MS,
    PCM24_BYTES_PER_MS,
    pcm_to_mulaw,
)
from gateway.audio.recording import to_hz
from gateway.audio.transcode import AudioFormat
from gateway.simulator.audio.tts import speak


@dataclass(frozen=True, slots=True)
class TurnPattern:
    """When the caller and the model speak, over and over."""

    cycle_s: float
    caller_speaks_s: float
    """From the start of the cycle; what the model's server reports as speech."""
    thinks_s: float
    """From the end of the caller's speech to the first delta."""
    answer_ms: int
    deltas_ms: tuple[int, ...]
    """Lengths of the deltas, repeated for the length of an answer."""
    faster: float
    """Deltas arrive so many times faster than real time."""


TIMED: Final = TurnPattern(
    cycle_s=8.0,
    caller_speaks_s=2.0,
    thinks_s=0.3,
    answer_ms=4_000,
    deltas_ms=(100, 150, 250, 300, 200),
    faster=5.0,
)
"""For latency and CPU time: uneven deltas, as the vendor's are."""
COUNTED: Final = TurnPattern(
    cycle_s=6.0, caller_speaks_s=1.5, thinks_s=0.3, answer_ms=4_000, deltas_ms=(200,), faster=4.0
)
"""For instructions: every cycle is the same, and nothing is played at its start."""

_TEXT: Final = (
    "Good morning, and thank you for calling. Our office is open from eight to five, Monday to "
    "Friday. Would you like to leave a message, or shall I look for a time that suits you better?"
)

BYTES_PER_MS: Final[dict[AudioFormat, int]] = {
    "pcm24k": PCM24_BYTES_PER_MS,
    "pcmu": MULAW_BYTES_PER_MS,
}


@dataclass(frozen=True)
class Sound:
    """Speech in one format: base64 of each caller frame, bytes of each of the model's deltas."""

    audio: AudioFormat
    pattern: TurnPattern
    frames: list[bytes]
    deltas: list[bytes]


def speech() -> NDArray[np.int16]:
    """Some seconds at 24 kHz. Raises ServiceUnreachable without the voice's wheel."""
    return speak(_TEXT)


def stock(audio: AudioFormat, samples: NDArray[np.int16], pattern: TurnPattern = TIMED) -> Sound:
    """Cut speech at 24 kHz for both far ends of calls in one format."""
    mulaw = pcm_to_mulaw(to_hz(samples, MODEL_HZ, CALLER_HZ).tobytes())
    wide = samples.tobytes() if audio == "pcm24k" else mulaw
    return Sound(
        audio,
        pattern,
        [b64encode(frame) for frame in _frames(mulaw)],
        _deltas(wide, BYTES_PER_MS[audio], pattern),
    )


def _frames(mulaw: bytes) -> list[bytes]:
    size = FRAME_MS * MULAW_BYTES_PER_MS
    return [mulaw[at : at + size] for at in range(0, len(mulaw) - size + 1, size)]


def _deltas(wide: bytes, bytes_per_ms: int, pattern: TurnPattern) -> list[bytes]:
    """Cut one answer; the speech begins anew where it is shorter than that."""
    said = wide * (pattern.answer_ms * bytes_per_ms // len(wide) + 1)
    deltas: list[bytes] = []
    at_ms = 0
    for ms in cycle(pattern.deltas_ms):
        if at_ms >= pattern.answer_ms:
            return deltas
        deltas.append(said[at_ms * bytes_per_ms : (at_ms + ms) * bytes_per_ms])
        at_ms += ms
    return deltas
