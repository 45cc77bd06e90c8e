"""Conversion of audio between the caller's format and the model's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from gateway.audio.framer import Framer
from gateway.audio.g711 import (
    FRAME_MS,
    MULAW_BYTES_PER_MS,
    MULAW_SILENCE,
    PCM24_BYTES_PER_MS,
)
from gateway.audio.resample import Downsampler, Upsampler
from gateway.audio.wire import MULAW_8K, PCM_24K, WireFormat

AudioFormat = Literal["pcm24k", "pcmu"]

_PCM_SILENCE = b"\0\0"
_SILENT_FRAME_PCM24 = bytes(FRAME_MS * PCM24_BYTES_PER_MS)
# Plus and minus zero.
_SILENT_CODES = b"\xff\x7f"


class CallerToModel(Protocol):
    """Conversion of the caller's sound to the format of the model's session."""

    @property
    def saturated(self) -> int:
        """Samples clipped so far."""

    @property
    def convert(self) -> Callable[[bytes], bytes]:
        """Function that returns all of a frame at once, whatever its length."""

    def reset(self) -> None:
        """Start anew, as after silence."""


class ModelToCaller(Protocol):
    """Conversion of the model's sound to the caller's format, in whole multiples of 20 ms."""

    bytes_per_ms: int

    @property
    def saturated(self) -> int:
        """Samples clipped so far."""

    def convert(self, audio: bytes) -> bytes:
        """Return all whole 20 ms; the ragged rest, odd bytes too, waits for the next delta."""

    def flush(self) -> bytes:
        """End an utterance: return the rest, filled up to 20 ms with silence."""

    def reset(self) -> None:
        """Forget the rest and the filter's history, after a barge-in."""


def caller_to_model(audio: AudioFormat, wire: WireFormat = MULAW_8K) -> CallerToModel:
    """Return the uplink's conversion for the agent's `audio`; over PCM that is `pcm24k`."""
    if wire is PCM_24K:
        return _PcmThrough()
    return _MulawToPcm24() if audio == "pcm24k" else _MulawThrough()


def model_to_caller(audio: AudioFormat, wire: WireFormat = MULAW_8K) -> ModelToCaller:
    """Return the downlink's conversion for the agent's `audio`; over PCM that is `pcm24k`."""
    if wire is PCM_24K:
        return _Framed(wire.bytes_per_ms, _PCM_SILENCE)
    return _Pcm24ToMulaw() if audio == "pcm24k" else _Framed(MULAW_BYTES_PER_MS, MULAW_SILENCE)


class _MulawToPcm24:
    def __init__(self) -> None:
        self._upsampler = Upsampler()
        self.convert = self._upsampler.from_mulaw

    @property
    def saturated(self) -> int:
        return self._upsampler.saturated

    def reset(self) -> None:
        self._upsampler.reset()


class _MulawThrough:
    saturated = 0

    def convert(self, mulaw: bytes) -> bytes:
        return mulaw

    def reset(self) -> None:
        """Do nothing: this conversion has no state."""


class _PcmThrough:
    saturated = 0

    def __init__(self) -> None:
        self._framer = Framer(len(_PCM_SILENCE))

    def convert(self, pcm: bytes) -> bytes:
        # Half a sample would turn all that follows into noise.
        return self._framer.push(pcm)

    def reset(self) -> None:
        self._framer.reset()


class _Pcm24ToMulaw:
    bytes_per_ms = PCM24_BYTES_PER_MS

    def __init__(self) -> None:
        self._framer = Framer(FRAME_MS * PCM24_BYTES_PER_MS)
        self._downsampler = Downsampler()

    @property
    def saturated(self) -> int:
        return self._downsampler.saturated

    def convert(self, audio: bytes) -> bytes:
        return self._downsampler.to_mulaw(self._framer.push(audio))

    def flush(self) -> bytes:
        rest = self._framer.flush(_PCM_SILENCE)
        last = self._downsampler.to_mulaw(rest)
        # The filter still owes up to 4 ms; they cost a frame only if they can be heard.
        tail = self._downsampler.to_mulaw(_SILENT_FRAME_PCM24)
        self._downsampler.reset()
        return last + tail if tail.strip(_SILENT_CODES) else last

    def reset(self) -> None:
        self._framer.reset()
        self._downsampler.reset()


class _Framed:
    saturated = 0

    def __init__(self, bytes_per_ms: int, silence: bytes) -> None:
        """`silence` is one sample of it."""
        self.bytes_per_ms, self._silence = bytes_per_ms, silence
        self._framer = Framer(FRAME_MS * bytes_per_ms)

    def convert(self, audio: bytes) -> bytes:
        return self._framer.push(audio)

    def flush(self) -> bytes:
        return self._framer.flush(self._silence)

    def reset(self) -> None:
        self._framer.reset()
