"""Speech is found where it is, on the time line of the audio written."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.g711 import MODEL_HZ
from gateway.simulator.audio.tts import speak
from gateway.simulator.openai.realtime.vad import (
    EnergyVad,
    VadSpeechStarted,
    VadSpeechStopped,
    level_of,
    vad_for,
)

SECOND = np.zeros(MODEL_HZ, dtype=np.int16)
Event = VadSpeechStarted | VadSpeechStopped


def hiss(seconds: float, dbfs: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 32768 * 10 ** (dbfs / 20), int(MODEL_HZ * seconds))
    return noise.astype(np.int16)


def heard(vad: EnergyVad, samples: np.ndarray, step: int = 480) -> list[Event]:
    pcm = samples.astype("<i2").tobytes()
    return [e for at in range(0, len(pcm), step * 2) for e in vad.hear(pcm[at : at + step * 2])]


def bounds_ms(words: np.ndarray) -> tuple[float, float]:
    """First and last 20 ms window of the words above the threshold, found with numpy alone."""
    windows = words[: len(words) // 480 * 480].reshape(-1, 480).astype(float)
    loud = np.flatnonzero(np.sqrt((windows**2).mean(axis=1)) >= level_of(0.5))
    return loud[0] * 20.0, (loud[-1] + 1) * 20.0


@pytest.mark.parametrize("text", ["Good morning, who is speaking?", "Yes."])
def test_the_words_of_espeak_are_found(text: str) -> None:
    words = speak(text)
    vad = EnergyVad(MODEL_HZ, silence_duration_ms=600)
    events = heard(vad, np.concatenate([SECOND, words, SECOND]))
    assert [type(event) for event in events] == [VadSpeechStarted, VadSpeechStopped]
    started, stopped = events
    first, last = bounds_ms(words)
    assert started.audio_start_ms == pytest.approx(1000 + first - 300, abs=80)
    assert stopped.audio_end_ms == pytest.approx(1000 + last + 600, abs=120)
    assert stopped.speech_ms == pytest.approx(last - first, abs=140)


def test_padding_never_reaches_before_the_beginning() -> None:
    vad = EnergyVad(MODEL_HZ, prefix_padding_ms=5000)
    assert heard(vad, speak("Hello."))[0] == VadSpeechStarted(0)


def test_the_noise_of_a_line_is_not_speech() -> None:
    assert heard(EnergyVad(MODEL_HZ), hiss(2, -50)) == []


def test_a_higher_threshold_wants_a_louder_voice() -> None:
    assert heard(EnergyVad(MODEL_HZ, threshold=0.5), hiss(0.5, -35))
    assert not heard(EnergyVad(MODEL_HZ, threshold=0.9), hiss(0.5, -35))


def test_a_short_pause_belongs_to_the_sentence() -> None:
    pause = SECOND[: MODEL_HZ // 5]
    words = np.concatenate([hiss(0.4, -20), pause, hiss(0.4, -20), SECOND])
    assert len(heard(EnergyVad(MODEL_HZ, silence_duration_ms=500), words)) == 2
    assert len(heard(EnergyVad(MODEL_HZ, silence_duration_ms=100), words)) == 4


def test_eagerness_is_how_long_the_end_is_waited_for() -> None:
    words = np.concatenate([hiss(0.5, -20), SECOND, SECOND])

    def end_ms(eagerness: str) -> int:
        vad = vad_for({"type": "semantic_vad", "eagerness": eagerness}, MODEL_HZ, 0)
        assert vad
        stopped = heard(vad, words)[1]
        assert isinstance(stopped, VadSpeechStopped)
        return stopped.audio_end_ms

    assert end_ms("high") < end_ms("auto") == end_ms("medium") < end_ms("low")


def test_the_time_line_goes_on_from_where_it_is_told() -> None:
    vad = EnergyVad(MODEL_HZ, start_ms=10_000)
    assert heard(vad, np.concatenate([SECOND, hiss(1, -20)]))[0] == VadSpeechStarted(10_700)
