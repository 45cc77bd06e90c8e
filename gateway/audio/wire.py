"""Formats in which a caller's sound comes and goes: a telephone's, and a browser's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from gateway.audio.g711 import MULAW_BYTES_PER_MS, PCM24_BYTES_PER_MS, mulaw_to_pcm
from gateway.audio.resample import Upsampler
from gateway.audio.tones import hold_mulaw, keys_mulaw


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One format, as `mediaFormat` of a stream's `start` names it."""

    encoding: str
    sample_rate: int
    bytes_per_ms: int

    def hold_tone(self) -> bytes:
        """Return the hold tone's pattern, to be repeated."""
        return hold_mulaw() if self is MULAW_8K else _hold_pcm24()

    def keys(self, digits: str) -> bytes:
        """Return the tones of telephone keys, in whole frames."""
        tones = keys_mulaw(digits)
        return tones if self is MULAW_8K else _pcm24(tones)


MULAW_8K: Final = WireFormat("audio/x-mulaw", 8000, MULAW_BYTES_PER_MS)
"""A telephone line."""
PCM_24K: Final = WireFormat("audio/pcm", 24_000, PCM24_BYTES_PER_MS)
"""16-bit little-endian samples, as the model's own: nothing is converted."""


@cache
def _hold_pcm24() -> bytes:
    return _pcm24(hold_mulaw())


def _pcm24(mulaw: bytes) -> bytes:
    return Upsampler().process(mulaw_to_pcm(mulaw))
