"""Hold music for a warm transfer, synthesized here so that no rights apply."""

from __future__ import annotations

import io
import wave
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.audio.g711 import CALLER_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOTE_MS: Final = 500
_RINGS_MS: Final = 2_400
"""Until a plucked string is silent."""
_DBFS: Final = -24.0
_OVERTONES: Final = (1.0, 0.35, 0.12)
# Broken chords of C, A minor, D minor and G, a bar each. Every note lies below the lowest tone of
# a telephone key (697 Hz): no machine at the other end takes it for one.
_BARS_HZ: Final = (
    (130.8, 196.0, 261.6, 329.6, 392.0, 329.6, 261.6, 196.0),
    (110.0, 164.8, 220.0, 261.6, 329.6, 261.6, 220.0, 164.8),
    (146.8, 220.0, 293.7, 349.2, 440.0, 349.2, 293.7, 220.0),
    (98.0, 146.8, 196.0, 246.9, 293.7, 246.9, 196.0, 146.8),
)


@cache
def hold_music_wav() -> bytes:
    """Return sixteen seconds, PCM16 mono at 8 kHz, whose end leads into its beginning."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(CALLER_HZ)
        out.writeframes(_played().tobytes())
    return file.getvalue()


def _played() -> NDArray[np.int16]:
    notes = [hz for bar in _BARS_HZ for hz in bar]
    step, length = (ms * CALLER_HZ // 1_000 for ms in (_NOTE_MS, _RINGS_MS))
    whole = np.zeros(step * len(notes))
    for number, hz in enumerate(notes):
        at = np.arange(number * step, number * step + length) % len(whole)
        whole[at] += _string(hz, length)
    # Far below full scale: nothing is clipped.
    return np.rint(whole * 32_767 * 10 ** (_DBFS / 20)).astype(np.int16)


def _string(hz: float, length: int) -> NDArray[np.float64]:
    """Return a softly plucked note: loudest after 10 ms, then it decays."""
    seconds = np.arange(length) / CALLER_HZ
    sound = sum(
        (
            part * np.sin(2 * np.pi * hz * number * seconds) * np.exp(-2.0 * number * seconds)
            for number, part in enumerate(_OVERTONES, 1)
        ),
        start=np.zeros(length),
    )
    fade = np.minimum(1.0, seconds / 0.010) * np.minimum(1.0, (seconds[-1] - seconds) / 0.100)
    return np.asarray(sound * fade)
