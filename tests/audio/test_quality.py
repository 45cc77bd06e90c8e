"""Speech through the live path, beside the reference: soxr at its best, and PESQ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soxr
from pesq import pesq

from gateway.audio.resample import DELAY_24K_SAMPLES, Downsampler, Upsampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A resampled file is aligned; the live path is late by a known, whole number of samples.
TAIL_24K = 2 * DELAY_24K_SAMPLES


def down(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    data = samples.tobytes() + bytes(2 * TAIL_24K)
    late = np.frombuffer(Downsampler().process(data), np.int16)
    return late[DELAY_24K_SAMPLES // 3 :][: len(samples) // 3]


def up(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    data = samples.tobytes() + bytes(2 * TAIL_24K // 3)
    late = np.frombuffer(Upsampler().process(data), np.int16)
    return late[DELAY_24K_SAMPLES:][: 3 * len(samples)]


def vhq(samples: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="VHQ"), np.int16)


def score(reference: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    return float(pesq(8_000, reference, heard, "nb"))


def error_db(reference: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    """Energy of the difference below that of the reference, in the telephone band."""
    difference = np.fft.rfft(heard.astype(float) - reference)
    signal = np.fft.rfft(reference.astype(float))
    band = slice(0, int(len(signal) * 3_400 / 4_000))
    return float(
        10
        * np.log10(
            np.vdot(difference[band], difference[band]).real
            / np.vdot(signal[band], signal[band]).real
        )
    )


def test_going_down_equals_the_reference(
    speech_24k: NDArray[np.int16], speech_8k: NDArray[np.int16]
) -> None:
    ours = down(speech_24k)
    assert error_db(speech_8k, ours) < -50
    assert score(speech_8k, ours) > score(speech_8k, speech_8k) - 0.02


def test_going_up_equals_the_reference(speech_8k: NDArray[np.int16]) -> None:
    reference = vhq(vhq(speech_8k, 8_000, 24_000), 24_000, 8_000)
    ours = vhq(up(speech_8k), 24_000, 8_000)
    assert error_db(speech_8k, ours) < -50
    assert score(speech_8k, ours) > score(speech_8k, reference) - 0.02


def test_the_round_trip_equals_the_reference(speech_8k: NDArray[np.int16]) -> None:
    reference = vhq(vhq(speech_8k, 8_000, 24_000), 24_000, 8_000)
    ours = down(up(speech_8k))
    assert score(speech_8k, ours) > score(speech_8k, reference) - 0.02


def test_the_score_tells_a_bad_resampler(
    speech_24k: NDArray[np.int16], speech_8k: NDArray[np.int16]
) -> None:
    """Every third sample and no filter: the measure must not be blind to aliases."""
    assert score(speech_8k, speech_24k[::3]) < 4.4


def test_the_voice_is_a_voice(speech_24k: NDArray[np.int16]) -> None:
    assert len(speech_24k) / 24_000 == pytest.approx(8, abs=3)
    assert np.abs(speech_24k).max() == 23_000
