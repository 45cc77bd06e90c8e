"""Recordings: what is written can be read, by us and by anybody."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.audio.recording import to_hz, write_wav
from gateway.audio.tones import tone_pcm


def test_stereo_round_trip_pads_the_shorter_side(tmp_path: Path) -> None:
    left, right = tone_pcm(400, 100, -6, 8_000), tone_pcm(600, 60, -6, 8_000)
    write_wav(tmp_path / "call.wav", [left, right], 8_000)
    samples, hz = read_wav(tmp_path / "call.wav")
    assert (samples.shape, samples.dtype, hz) == ((800, 2), np.int16, 8_000)
    assert samples[:, 0].tobytes() == left
    assert samples[:, 1].tobytes() == right + bytes(640)


def test_mono_is_flat(tmp_path: Path) -> None:
    tone = tone_pcm(400, 50, -6, 24_000)
    write_wav(tmp_path / "tone.wav", [tone], 24_000)
    samples, hz = read_wav(tmp_path / "tone.wav")
    assert (samples.tobytes(), samples.ndim, hz) == (tone, 1, 24_000)


def test_a_tone_keeps_pitch_and_level_at_another_rate() -> None:
    tone = np.frombuffer(tone_pcm(1_000, 1_000, -12, 22_050), np.int16)
    other = to_hz(tone, 22_050, 8_000)
    assert (len(other), other.dtype) == (8_000, np.int16)
    assert np.argmax(np.abs(np.fft.rfft(other))) == 1_000
    assert rms_dbfs(other[1_000:-1_000]) == pytest.approx(-12, abs=0.05)


def test_the_same_rate_changes_nothing() -> None:
    samples = np.arange(10, dtype=np.int16)
    assert to_hz(samples, 8_000, 8_000) is samples


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    with wave.open(str(path), "rb") as file:
        data, channels = file.readframes(file.getnframes()), file.getnchannels()
        samples = np.frombuffer(data, np.int16)
        return samples if channels == 1 else samples.reshape(-1, channels), file.getframerate()


def rms_dbfs(pcm: NDArray[np.int16]) -> float:
    """Level in dB below a full-scale sine."""
    rms = np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))
    return float(20 * np.log10(rms * np.sqrt(2) / 32_768))
