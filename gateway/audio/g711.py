"""G.711 mu-law, and the constants of both audio formats."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # Leaves the standard library in 3.13, where audioop-lts takes over under the same name.
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import audioop

# audioop too: modules that import it from here need not know about the warning.
__all__ = [
    "CALLER_HZ",
    "FRAME_MS",
    "MODEL_HZ",
    "MULAW_BYTES_PER_MS",
    "MULAW_SILENCE",
    "PCM24_BYTES_PER_MS",
    "audioop",
    "mulaw_to_pcm",
    "pcm_peak",
    "pcm_to_mulaw",
]

CALLER_HZ = 8_000
MODEL_HZ = 24_000
FRAME_MS = 20
MULAW_BYTES_PER_MS = 8
PCM24_BYTES_PER_MS = 48
MULAW_SILENCE = b"\xff"


def mulaw_to_pcm(mulaw: bytes) -> bytes:
    """Expand mu-law to PCM16, two bytes for each one."""
    return audioop.ulaw2lin(mulaw, 2)


def pcm_to_mulaw(pcm: bytes) -> bytes:
    """Compress PCM16 to mu-law, one byte for each two; audioop.error at half a sample."""
    return audioop.lin2ulaw(pcm, 2)


def pcm_peak(pcm: bytes) -> int:
    """Return the largest magnitude among PCM16 samples, 0 to 32768."""
    return audioop.max(pcm, 2)
