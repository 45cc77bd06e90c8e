"""Speech for tests: a tone as long as the words, so that nothing has to be synthesised."""

from __future__ import annotations

import numpy as np

from gateway.audio.g711 import pcm_to_mulaw
from gateway.simulator.audio.analysis import LOUD_RMS, loudness


def tone(ms: float, hz: float = 440.0, seed: int = 0) -> bytes:
    """Mu-law with a little noise on it, so that it is like nothing but itself."""
    at = np.arange(round(ms * 8)) / 8000
    noise = np.random.default_rng(seed).normal(0, 2500, len(at))
    return pcm_to_mulaw((8000 * np.sin(2 * np.pi * hz * at) + noise).astype(np.int16).tobytes())


async def speak_tone(text: str, language: str) -> bytes:
    """40 ms for each letter."""
    return tone(40 * len(text), hz=300 + 20 * len(text), seed=len(text))


def is_loud(mulaw: bytes) -> bool:
    """Return whether a short piece of mu-law holds sound that a person would hear."""
    return bool(mulaw) and float(loudness(mulaw, len(mulaw))[0]) > LOUD_RMS
