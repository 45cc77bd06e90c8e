"""What the live resampler is measured beside: each as a stream of PCM16 frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import soxr

from gateway.audio.g711 import audioop
from gateway.audio.resample import Downsampler, Upsampler

# A frame in, whatever the stream is ready to give out.
Push = Callable[[bytes], bytes]
# from_hz, to_hz -> a fresh stream.
OpenStream = Callable[[int, int], Push]

OURS = "gateway FIR"
SOXR_QUALITIES = ("QQ", "LQ", "MQ", "HQ", "VHQ")


def _ours(from_hz: int, to_hz: int) -> Push:
    return (Upsampler() if to_hz > from_hz else Downsampler()).process


def _soxr(quality: str, from_hz: int, to_hz: int) -> Push:
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=quality)

    def push(pcm: bytes) -> bytes:
        return bytes(stream.resample_chunk(np.frombuffer(pcm, np.int16)).tobytes())

    return push


def _ratecv(from_hz: int, to_hz: int) -> Push:
    state: Any = None

    def push(pcm: bytes) -> bytes:
        nonlocal state
        out, state = audioop.ratecv(pcm, 2, 1, from_hz, to_hz, state)
        return out

    return push


RESAMPLERS: dict[str, OpenStream] = {
    OURS: _ours,
    **{f"soxr {quality}": partial(_soxr, quality) for quality in SOXR_QUALITIES},
    "audioop.ratecv": _ratecv,
}
