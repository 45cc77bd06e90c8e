"""Voice activity by energy, on the time line of the audio written.

Event times follow the vendor: `audio_start_ms` includes the prefix padding and `audio_end_ms`
includes the silence that had to be waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.simulator.audio.formats import rms

WINDOW_MS: Final = 20
ONSET_MS: Final = 60
"""Shorter sounds are clicks."""
RELEASE_DB: Final = 5.0
"""Speech continues down to this much under the level that started it."""

SEMANTIC_WAIT_MS: Final = {"low": 1600, "medium": 800, "auto": 800, "high": 400}
"""A placeholder: a fifth of the documented maximum, because energy says nothing of sentences."""
SEMANTIC_PADDING_MS: Final = 300


@dataclass(frozen=True, slots=True)
class VadSpeechStarted:
    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class VadSpeechStopped:
    audio_end_ms: int
    speech_ms: int = 0
    """Duration of the speech, without padding and silence."""


def level_of(threshold: float) -> float:
    """Return the RMS for a VAD threshold of 0..1: -55 dBFS to -25 dBFS, -40 at 0.5."""
    return float(32768 * 10 ** ((-55 + 30 * threshold) / 20))


class EnergyVad:
    """Energy VAD on PCM16 in pieces of any size, in windows of 20 ms."""

    def __init__(
        self,
        hz: int,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
        start_ms: int = 0,
    ) -> None:
        self._window_bytes = hz * 2 * WINDOW_MS // 1000
        self._loud = level_of(threshold)
        self._soft = self._loud * 10 ** (-RELEASE_DB / 20)
        self._padding_ms, self._silence_ms = prefix_padding_ms, silence_duration_ms
        self._rest = b""
        self._now_ms = start_ms
        self._floor_ms = start_ms
        self._onset_ms = 0
        self._quiet_ms = 0
        self._speech_from_ms = 0
        self.speaking = False

    def hear(self, pcm: bytes) -> list[VadSpeechStarted | VadSpeechStopped]:
        """Return the events of a piece of sound; times in ms of appended audio."""
        if not self._rest and len(pcm) == self._window_bytes:  # the 20 ms of a telephone
            event = self._window(pcm)
            return [event] if event else []
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % self._window_bytes
        self._rest = pcm[whole:]
        step = self._window_bytes
        events = [self._window(pcm[at : at + step]) for at in range(0, whole, step)]
        return [event for event in events if event]

    def _window(self, pcm: bytes) -> VadSpeechStarted | VadSpeechStopped | None:
        energy = rms(pcm)
        self._now_ms += WINDOW_MS
        return self._in_speech(energy) if self.speaking else self._in_silence(energy)

    def _in_silence(self, energy: int) -> VadSpeechStarted | None:
        self._onset_ms = self._onset_ms + WINDOW_MS if energy >= self._loud else 0
        if self._onset_ms < ONSET_MS:
            return None
        self.speaking, self._quiet_ms = True, 0
        self._speech_from_ms = self._now_ms - self._onset_ms
        return VadSpeechStarted(max(self._floor_ms, self._speech_from_ms - self._padding_ms))

    def _in_speech(self, energy: int) -> VadSpeechStopped | None:
        self._quiet_ms = 0 if energy >= self._soft else self._quiet_ms + WINDOW_MS
        if self._quiet_ms < self._silence_ms:
            return None
        self.speaking, self._onset_ms = False, 0
        self._floor_ms = self._now_ms
        speech_ms = self._now_ms - self._quiet_ms - self._speech_from_ms
        return VadSpeechStopped(self._now_ms, speech_ms)


def vad_for(turn_detection: dict[str, Any] | None, hz: int, start_ms: int) -> EnergyVad | None:
    """Return the VAD for a session's `turn_detection`; None for null."""
    if turn_detection is None:
        return None
    if turn_detection["type"] == "semantic_vad":
        return EnergyVad(
            hz,
            prefix_padding_ms=SEMANTIC_PADDING_MS,
            silence_duration_ms=SEMANTIC_WAIT_MS[turn_detection.get("eagerness") or "auto"],
            start_ms=start_ms,
        )
    return EnergyVad(
        hz,
        threshold=turn_detection["threshold"],
        prefix_padding_ms=turn_detection["prefix_padding_ms"],
        silence_duration_ms=turn_detection["silence_duration_ms"],
        start_ms=start_ms,
    )
