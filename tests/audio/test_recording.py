"""Recordings: what is written can be read, by us and by anybody."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from gateway.audio.recording import SILENCE_DBFS, read_wav, rms_dbfs, to_hz, write_wav
from gateway.audio.tones import tone_pcm
from gateway.errors import FileError


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


@pytest.mark.parametrize("content", [b"", b"not a wave file at all", b"RIFF\x24\0\0\0WAVEfmt "])
def test_what_is_no_wav_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.wav"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"junk\.wav"):
        read_wav(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone\.wav"):
        read_wav(tmp_path / "gone.wav")


def test_other_widths_are_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "wide.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(8_000)
        file.writeframes(bytes(30))
    with pytest.raises(FileError, match="24-bit"):
        read_wav(tmp_path / "wide.wav")


def test_a_tone_keeps_pitch_and_level_at_another_rate() -> None:
    tone = np.frombuffer(tone_pcm(1_000, 1_000, -12, 22_050), np.int16)
    other = to_hz(tone, 22_050, 8_000)
    assert (len(other), other.dtype) == (8_000, np.int16)
    assert np.argmax(np.abs(np.fft.rfft(other))) == 1_000
    assert rms_dbfs(other[1_000:-1_000]) == pytest.approx(-12, abs=0.05)


def test_the_same_rate_changes_nothing() -> None:
    samples = np.arange(10, dtype=np.int16)
    assert to_hz(samples, 8_000, 8_000) is samples


@pytest.mark.parametrize("level", [-3.0, -20.0, -55.0])
def test_levels_are_below_a_full_scale_sine(level: float) -> None:
    tone = np.frombuffer(tone_pcm(500, 1_000, level, 8_000), np.int16)
    assert rms_dbfs(tone) == pytest.approx(level, abs=0.05)


def test_silence_has_a_floor() -> None:
    assert rms_dbfs(np.zeros(100, np.int16)) == SILENCE_DBFS
    assert rms_dbfs(np.zeros(0, np.int16)) == SILENCE_DBFS
