"""Conversion of audio between the caller's format and the model's."""

from __future__ import annotations

from typing import Literal, Protocol

from gateway.audio.framer import Framer
from gateway.audio.g711 import (
    FRAME_MS,
    MULAW_BYTES_PER_MS,
    MULAW_SILENCE,
    PCM24_BYTES_PER_MS,
    mulaw_to_pcm,
)
from gateway.audio.resample import Downsampler, Upsampler

AudioFormat = Literal["pcm24k", "pcmu"]

_PCM_SILENCE = b"\0\0"
_SILENT_FRAME_PCM24 = bytes(FRAME_MS * PCM24_BYTES_PER_MS)
# Plus and minus zero.
_SILENT_CODES = b"\xff\x7f"


class CallerToModel(Protocol):
    """The caller's mu-law in, what the model's session asked for out."""

    @property
    def saturated(self) -> int:
        """Samples clipped so far."""

    def convert(self, mulaw: bytes) -> bytes:
        """Everything that came in, at once, whatever the frame's length."""

    def reset(self) -> None:
        """Start anew, as after silence."""


class ModelToCaller(Protocol):
    """The model's sound in, mu-law in whole multiples of 20 ms out."""

    bytes_per_ms: int

    @property
    def saturated(self) -> int:
        """Samples clipped so far."""

    def convert(self, audio: bytes) -> bytes:
        """All whole 20 ms so far; the ragged rest, odd bytes too, waits for the next delta."""

    def flush(self) -> bytes:
        """End of an utterance: the rest, filled up to 20 ms with silence; nothing is held back."""

    def reset(self) -> None:
        """After a barge-in: forget the rest and the filter's history."""


def caller_to_model(audio: AudioFormat) -> CallerToModel:
    """The way up that the agent's `audio` asks for."""
    return _MulawToPcm24() if audio == "pcm24k" else _MulawThrough()


def model_to_caller(audio: AudioFormat) -> ModelToCaller:
    """The way down that the agent's `audio` asks for."""
    return _Pcm24ToMulaw() if audio == "pcm24k" else _MulawFramed()


class _MulawToPcm24:
    def __init__(self) -> None:
        self._upsampler = Upsampler()

    @property
    def saturated(self) -> int:
        return self._upsampler.saturated

    def convert(self, mulaw: bytes) -> bytes:
        return self._upsampler.process(mulaw_to_pcm(mulaw))

    def reset(self) -> None:
        self._upsampler.reset()


class _MulawThrough:
    saturated = 0

    def convert(self, mulaw: bytes) -> bytes:
        return mulaw

    def reset(self) -> None:
        """Nothing is remembered."""


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


class _MulawFramed:
    bytes_per_ms = MULAW_BYTES_PER_MS
    saturated = 0

    def __init__(self) -> None:
        self._framer = Framer(FRAME_MS * MULAW_BYTES_PER_MS)

    def convert(self, audio: bytes) -> bytes:
        return self._framer.push(audio)

    def flush(self) -> bytes:
        return self._framer.flush(MULAW_SILENCE)

    def reset(self) -> None:
        self._framer.reset()
