"""Music to wait by: as a telephone gets it, and no key of a telephone."""

from __future__ import annotations

import wave
from hashlib import blake2b
from io import BytesIO

import numpy as np
import pytest

from gateway.audio.hold_music import hold_music_wav

LOWEST_KEY_TONE_HZ = 697


def samples() -> np.ndarray:
    with wave.open(BytesIO(hold_music_wav())) as music:
        assert (music.getnchannels(), music.getsampwidth(), music.getframerate()) == (1, 2, 8000)
        return np.frombuffer(music.readframes(music.getnframes()), np.int16) / 32_768


def test_it_is_soft_and_never_silent() -> None:
    sound = samples()
    assert len(sound) == 16 * 8000
    assert 0.03 < np.abs(sound).max() < 0.2
    loudness = np.sqrt((sound.reshape(-1, 2000) ** 2).mean(axis=1))
    assert loudness.min() > 0.005, "a caller who hears nothing believes that the call was cut off"


def test_its_end_leads_into_its_beginning() -> None:
    sound = samples()
    largest_step = np.abs(np.diff(sound)).max()
    assert abs(sound[0] - sound[-1]) <= largest_step


def test_nothing_in_it_is_taken_for_a_key() -> None:
    """Fundamentals lie below the keys' tones; what is above them is faint."""
    power = np.abs(np.fft.rfft(samples())) ** 2
    hz = np.fft.rfftfreq(16 * 8000, 1 / 8000)
    assert power[hz >= LOWEST_KEY_TONE_HZ].sum() < 0.15 * power.sum()


def test_every_note_is_in_tune() -> None:
    """A tone of the equal temperament on A = 440 Hz, to a fiftieth of a semitone."""
    sound = samples().reshape(32, 4000)
    for nth, note in enumerate(sound):
        # The strings before it sound on, but they decay: what is strongest is the newest.
        spectrum = np.abs(np.fft.rfft(note * np.hanning(4000), 1 << 19))
        hz = np.argmax(spectrum) * 8000 / (1 << 19)
        semitones = 12 * np.log2(hz / 440.0)
        assert abs(semitones - round(semitones)) < 0.02, f"note {nth} is {hz:.1f} Hz"


def test_it_is_as_loud_as_it_was_composed() -> None:
    """Its peak, its bars, and how a string sounds in its first 2.5, 5 and 10 ms."""
    sound = samples()
    assert np.abs(sound).max() == pytest.approx(0.1048, abs=2e-4)
    bars = np.sqrt((sound.reshape(8, -1) ** 2).mean(axis=1))
    expected = [0.0324, 0.0314, 0.0321, 0.0313, 0.0324, 0.0324, 0.0320, 0.0330]
    assert bars == pytest.approx(expected, abs=2e-4)
    rises = [np.abs(sound[:length]).max() for length in (20, 40, 80)]
    assert rises == pytest.approx([0.0143, 0.0161, 0.0363], abs=2e-4)


def test_it_is_the_music_that_was_composed() -> None:
    """Bytes of the file, which are the same on every machine.

    Sines of two machines differ by less than a millionth of a millionth, and samples are rounded
    to whole numbers. After a change that was meant, listen to it and write the digest anew.
    """
    assert blake2b(hold_music_wav(), digest_size=8).hexdigest() == "2dad7f7fee66e64a"
