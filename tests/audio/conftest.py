"""A voice to measure with, so that sound is tested on speech."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENTENCE = (
    "Good morning, this is the front desk. Six thick thistle sticks were shipped on Thursday; "
    "please choose a date, and say yes when you are ready to continue."
)


@pytest.fixture(scope="session")
def speech_24k() -> NDArray[np.int16]:
    """Some seconds of speech at 24 kHz, a whole number of 20 ms frames, peaking at -3 dBFS."""
    script = Path(__file__).with_name("espeak.py")
    spoken = subprocess.run(
        [sys.executable, str(script), SENTENCE, "en"], check=True, capture_output=True
    ).stdout
    (hz,) = struct.unpack("<I", spoken[:4])
    samples = np.frombuffer(spoken[4:], np.int16).astype(np.float64)
    wide = soxr.resample(samples, hz, 24_000, quality="VHQ")
    wide *= 23_000 / np.abs(wide).max()
    return np.rint(wide[: len(wide) // 480 * 480]).astype(np.int16)


@pytest.fixture(scope="session")
def speech_8k(speech_24k: NDArray[np.int16]) -> NDArray[np.int16]:
    """The same speech as a telephone line would carry it, by the reference resampler."""
    return np.asarray(soxr.resample(speech_24k, 24_000, 8_000, quality="VHQ"), np.int16)
