"""A voice to measure with: espeak-ng through ctypes, so that sound is tested on speech."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import espeakng_loader
import numpy as np
import pytest
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RETRIEVAL = 1
_CHARS_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
SENTENCE = (
    "Good morning, this is the front desk. Six thick thistle sticks were shipped on Thursday; "
    "please choose a date, and say yes when you are ready to continue."
)


def synthesise(text: str, voice: str = "en") -> tuple[NDArray[np.int16], int]:
    """Speech and its rate, as espeak-ng makes it."""
    espeak = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    hz = espeak.espeak_Initialize(_RETRIEVAL, 0, data, 0)
    assert hz > 0
    pieces: list[bytes] = []

    @_CALLBACK
    def heard(samples: ctypes.POINTER[ctypes.c_short] | None, count: int, _events: int) -> int:
        if samples and count:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    espeak.espeak_SetSynthCallback(heard)
    assert espeak.espeak_SetVoiceByName(voice.encode()) == 0
    words = text.encode()
    assert espeak.espeak_Synth(words, len(words) + 1, 0, 0, 0, _CHARS_UTF8, None, None) == 0
    assert espeak.espeak_Synchronize() == 0
    espeak.espeak_Terminate()
    return np.frombuffer(b"".join(pieces), np.int16), hz


@pytest.fixture(scope="session")
def speech_24k() -> NDArray[np.int16]:
    """Some seconds of speech at 24 kHz, a whole number of 20 ms frames, peaking at -3 dBFS."""
    samples, hz = synthesise(SENTENCE)
    wide = soxr.resample(samples.astype(np.float64), hz, 24_000, quality="VHQ")
    wide *= 23_000 / np.abs(wide).max()
    return np.rint(wide[: len(wide) // 480 * 480]).astype(np.int16)


@pytest.fixture(scope="session")
def speech_8k(speech_24k: NDArray[np.int16]) -> NDArray[np.int16]:
    """The same speech as a telephone line would carry it, by the reference resampler."""
    return np.asarray(soxr.resample(speech_24k, 24_000, 8_000, quality="VHQ"), np.int16)
