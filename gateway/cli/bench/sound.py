"""What the far ends say: speech, cut and coded before the clock starts."""

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

ANSWER_MS: Final = 4_000
DELTAS_MS: Final = (100, 150, 250, 300, 200)
"""Uneven, as the vendor's are; over and over for the length of an answer."""

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
    """One format's stock: base64 of each caller frame, bytes of each of the model's deltas."""

    audio: AudioFormat
    frames: list[bytes]
    deltas: list[bytes]


def speech() -> NDArray[np.int16]:
    """Some seconds at 24 kHz. Raises ServiceUnreachable without the voice's wheel."""
    return speak(_TEXT)


def stock(audio: AudioFormat, samples: NDArray[np.int16]) -> Sound:
    mulaw = pcm_to_mulaw(to_hz(samples, MODEL_HZ, CALLER_HZ).tobytes())
    wide = samples.tobytes() if audio == "pcm24k" else mulaw
    return Sound(
        audio, [b64encode(frame) for frame in _frames(mulaw)], _deltas(wide, BYTES_PER_MS[audio])
    )


def _frames(mulaw: bytes) -> list[bytes]:
    size = FRAME_MS * MULAW_BYTES_PER_MS
    return [mulaw[at : at + size] for at in range(0, len(mulaw) - size + 1, size)]


def _deltas(wide: bytes, bytes_per_ms: int) -> list[bytes]:
    """ANSWER_MS of sound; the speech begins anew where it is shorter than that."""
    said = wide * (ANSWER_MS * bytes_per_ms // len(wide) + 1)
    deltas: list[bytes] = []
    at_ms = 0
    for ms in cycle(DELTAS_MS):
        if at_ms >= ANSWER_MS:
            return deltas
        deltas.append(said[at_ms * bytes_per_ms : (at_ms + ms) * bytes_per_ms])
        at_ms += ms
    return deltas
