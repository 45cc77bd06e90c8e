"""Input audio buffer: audio that was appended and not yet committed."""

from __future__ import annotations

from typing import Any, Final

from gateway.simulator.audio.formats import AudioFormatInfo
from gateway.simulator.openai.realtime.vad import VadSpeechStarted, VadSpeechStopped, vad_for
from gateway.simulator.openai.realtime.validation import InvalidValue

COMMIT_MIN_MS: Final = 100
IDLE_KEPT_MS: Final = 2_000
"""With a VAD, silence beyond this and the prefix padding is discarded."""
BUFFER_MAX_MS: Final = 15 * 60_000


class InputBuffer:
    """Buffer whose times are milliseconds of audio since the session began, as in the events."""

    def __init__(self, wire: AudioFormatInfo, turn_detection: dict[str, Any] | None) -> None:
        self._wire = wire
        self._start_ms = 0.0
        self._audio = bytearray()
        self._vad_settings = turn_detection
        self._vad = vad_for(turn_detection, wire.hz, 0)
        self._kept_ms = _kept_ms(turn_detection)

    @property
    def written_ms(self) -> int:
        return int(self._start_ms + len(self._audio) / self._wire.bytes_per_ms)

    @property
    def speaking(self) -> bool:
        return self._vad is not None and self._vad.speaking

    def configure(self, wire: AudioFormatInfo, turn_detection: dict[str, Any] | None) -> None:
        """Apply a `session.update`; a new format starts an empty buffer on the same time line."""
        if wire is not self._wire:
            self._forget(self.written_ms)
            self._wire = wire
        elif turn_detection == self._vad_settings:
            return
        self._vad_settings = turn_detection
        self._vad = vad_for(turn_detection, wire.hz, self.written_ms)
        self._kept_ms = _kept_ms(turn_detection)

    def write(self, audio: bytes) -> list[VadSpeechStarted | VadSpeechStopped]:
        """Append whole samples. Return the events of the VAD."""
        if len(audio) % self._wire.sample_bytes:
            raise InvalidValue("invalid_value", "The audio does not hold whole samples.", "audio")
        self._audio += audio
        events = self._vad.hear(self._wire.linear(audio)) if self._vad else []
        if not events:
            self._trim()
        return events

    def _trim(self) -> None:
        idle = self._vad is not None and not self._vad.speaking
        limit = (self._kept_ms if idle else BUFFER_MAX_MS) * self._wire.bytes_per_ms
        if len(self._audio) > limit * 2:  # in large steps: each one moves the whole buffer
            self._drop(len(self._audio) - limit)

    def _drop(self, size: int) -> None:
        del self._audio[:size]
        self._start_ms += size / self._wire.bytes_per_ms

    def _forget(self, now_ms: float) -> None:
        self._audio.clear()
        self._start_ms = now_ms

    def take_audio(self, start_ms: int, end_ms: int) -> bytes:
        """Return the audio between two times; everything before the end leaves the buffer."""
        rate = self._wire.bytes_per_ms
        first = max(0, int((start_ms - self._start_ms) * rate))
        last = max(first, int((end_ms - self._start_ms) * rate))
        first -= first % self._wire.sample_bytes
        last -= last % self._wire.sample_bytes
        taken = bytes(self._audio[first:last])
        self._drop(min(last, len(self._audio)))
        return taken

    def commit(self) -> bytes:
        """Return everything. Raises InvalidValue for less than the minimum."""
        held_ms = len(self._audio) / self._wire.bytes_per_ms
        if held_ms < COMMIT_MIN_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{COMMIT_MIN_MS}ms of audio, but buffer only has {held_ms:.2f}ms of audio."
            )
            raise InvalidValue("input_audio_buffer_commit_empty", message)
        taken = bytes(self._audio)
        self.clear()
        return taken

    def clear(self) -> None:
        self._forget(self.written_ms)
        self._vad = vad_for(self._vad_settings, self._wire.hz, self.written_ms)


def _kept_ms(turn_detection: dict[str, Any] | None) -> int:
    return IDLE_KEPT_MS + int((turn_detection or {}).get("prefix_padding_ms") or 0)
