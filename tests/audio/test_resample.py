"""The live resampler as a filter: exact counts, exact bytes, what it lets through and what not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio.g711 import mulaw_to_pcm, pcm_to_mulaw
from gateway.audio.resample import (
    DELAY_24K_SAMPLES,
    DELAY_MS,
    TAPS,
    Downsampler,
    Upsampler,
    lowpass,
)
from gateway.errors import BugError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELAY_8K_SAMPLES = DELAY_24K_SAMPLES // 3


def up(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.frombuffer(Upsampler().process(samples.tobytes()), np.int16)


def down(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.frombuffer(Downsampler().process(samples.tobytes()), np.int16)


def pcm(data: bytes) -> NDArray[np.int_]:
    return np.frombuffer(data, np.int16).astype(int)


def sine(hz: float, rate: int, peak: float = 29_000, seconds: float = 1.0) -> NDArray[np.int16]:
    return np.rint(peak * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(
        np.int16
    )


def spectrum_db(samples: NDArray[np.int16], rate: int) -> dict[int, float]:
    """Peak level of a sine in every 1 Hz bin of the last second, in dB of one unit."""
    steady = samples[-rate:] * np.blackman(rate)
    level = np.abs(np.fft.rfft(steady)) / (0.42 * rate / 2)
    return dict(enumerate(20 * np.log10(level + 1e-9)))


def cut(data: bytes, sizes: list[int], unit: int) -> Iterator[bytes]:
    for size in sizes:
        yield data[: size * unit]
        data = data[size * unit :]
    yield data


def noise(count: int, seed: int, peak: int) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-peak, peak + 1, count).astype(np.int16)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 80, 160, 161, 1_600, 1_601, 5_003])
def test_exactly_three_for_one_and_one_for_three(count: int) -> None:
    assert len(up(noise(count, 1, 9_000))) == 3 * count
    assert len(down(noise(3 * count, 1, 9_000))) == count


def test_one_frame_in_one_frame_out_always() -> None:
    upsampler, downsampler = Upsampler(), Downsampler()
    for _ in range(50):
        assert len(upsampler.process(bytes(320))) == 960
        assert len(downsampler.process(bytes(960))) == 320


def test_nothing_in_nothing_out() -> None:
    assert (Upsampler().process(b""), Downsampler().process(b"")) == (b"", b"")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from([3_000, 32_767]),
)
def test_chunked_is_whole_to_the_last_bit(seed: int, sizes: list[int], peak: int) -> None:
    """A BLAS may add in another order for another number of rows, in single precision."""
    narrow, wide = noise(2_000, seed, peak).tobytes(), noise(6_000, seed, peak).tobytes()
    for one, other, data, unit in (
        (Upsampler(), Upsampler(), narrow, 2),
        (Downsampler(), Downsampler(), wide, 6),
    ):
        whole = one.process(data)
        chunked = b"".join(other.process(piece) for piece in cut(data, sizes, unit))
        assert len(chunked) == len(whole)
        assert np.abs(pcm(chunked) - pcm(whole)).max(initial=0) <= 1
        assert abs(other.saturated - one.saturated) <= 2


def test_a_sum_in_single_precision_is_the_exact_one_but_for_rare_last_bits() -> None:
    """In speech's range; an error of one bit is 40 dB below the noise of mu-law itself."""
    narrow, wide = noise(16_000, 5, 8_000), noise(48_000, 6, 8_000)
    stuffed = np.zeros(48_000)
    stuffed[::3] = 3.0 * narrow
    exact_up = np.rint(np.convolve(stuffed, lowpass())[:48_000])
    exact_down = np.rint(np.convolve(wide, lowpass())[:48_000:3])
    for ours, exact in ((up(narrow), exact_up), (down(wide), exact_down)):
        off = np.abs(ours - exact)
        assert off.max() <= 1
        assert np.count_nonzero(off) < len(exact) / 250


def test_mulaw_is_the_code_of_the_samples() -> None:
    """Loud ones too, and the same number of them is clipped."""
    for peak in (50, 5_000, 32_767):
        wide = noise(48_000, peak, peak).tobytes()
        one, other = Downsampler(), Downsampler()
        assert one.to_mulaw(wide) == pcm_to_mulaw(other.process(wide))
        assert one.saturated == other.saturated
    assert other.saturated > 0
    assert Downsampler().to_mulaw(b"") == b""


def test_it_is_the_convolution_with_its_taps() -> None:
    """Against the definition: stuff zeros, filter, clip; filter, keep every third."""
    narrow, wide = noise(3_000, 3, 20_000), noise(9_000, 4, 20_000)
    stuffed = np.zeros(9_000)
    stuffed[::3] = 3.0 * narrow
    expected_up = np.convolve(stuffed, lowpass())[:9_000].clip(-32_767, 32_767)
    expected_down = np.convolve(wide, lowpass())[:9_000:3].clip(-32_767, 32_767)
    assert np.abs(up(narrow) - expected_up).max() < 0.52
    assert np.abs(down(wide) - expected_down).max() < 0.52


def test_a_frame_is_the_convolution_as_well() -> None:
    """Frames of 20 ms have a way of their own through the matrix."""
    narrow, upsampler = noise(3_200, 8, 8_000), Upsampler()
    stuffed = np.zeros(9_600)
    stuffed[::3] = 3.0 * narrow
    frames = narrow.reshape(-1, 160)
    framed = pcm(b"".join(upsampler.process(frame.tobytes()) for frame in frames))
    assert np.abs(framed - np.convolve(stuffed, lowpass())[:9_600]).max() < 0.52


def test_linear_phase_and_flat_in_the_pass_band() -> None:
    taps = lowpass()
    assert np.array_equal(taps, taps[::-1])
    response = 20 * np.log10(np.abs(np.fft.rfft(taps, 24_000)))
    assert np.abs(response[:3_401]).max() < 0.03
    assert response[4_600:].max() < -83


def test_delay_is_below_two_milliseconds() -> None:
    click = np.zeros(600, np.int16)
    click[300] = 20_000
    assert DELAY_MS == 1.875
    assert np.argmax(np.abs(down(click))) == 100 + DELAY_8K_SAMPLES
    assert np.argmax(np.abs(up(click))) == 900 + DELAY_24K_SAMPLES


@pytest.mark.parametrize("hz", [100, 440, 1_000, 2_900, 3_400])
def test_tones_of_the_telephone_band_keep_their_level(hz: int) -> None:
    sent = 20 * np.log10(20_000)
    assert spectrum_db(up(sine(hz, 8_000, 20_000, 2)), 24_000)[hz] == pytest.approx(sent, abs=0.03)
    assert spectrum_db(down(sine(hz, 24_000, 20_000, 2)), 8_000)[hz] == pytest.approx(
        sent, abs=0.03
    )


@pytest.mark.parametrize("hz", [4_650, 5_000, 6_100, 7_000, 7_900, 9_300, 11_000, 11_900])
def test_aliases_are_80_db_down(hz: int) -> None:
    folded = min(hz % 8_000, 8_000 - hz % 8_000)
    alias = spectrum_db(down(sine(hz, 24_000, seconds=2)), 8_000)[folded]
    assert alias < 20 * np.log10(29_000) - 80


@pytest.mark.parametrize("hz", [100, 700, 1_900, 3_000, 3_350])
def test_images_are_80_db_down(hz: int) -> None:
    heard = spectrum_db(up(sine(hz, 8_000, 20_000, 2)), 24_000)
    for image in (8_000 - hz, 8_000 + hz):
        assert heard[image] < heard[hz] - 80


def test_a_tone_cut_into_frames_has_no_seam() -> None:
    upsampler = Upsampler()
    tone = sine(1_000, 8_000, 20_000, 2).tobytes()
    framed = b"".join(upsampler.process(tone[at : at + 320]) for at in range(0, len(tone), 320))
    heard = spectrum_db(np.frombuffer(framed, np.int16), 24_000)
    # A click every 20 ms would stand at the harmonics of 50 Hz.
    assert max(heard[hz] for hz in range(50, 12_000, 50) if abs(hz - 1_000) > 5) < heard[1_000] - 80


def test_reset_is_a_fresh_start() -> None:
    for resampler, data in ((Upsampler(), bytes(320)), (Downsampler(), bytes(960))):
        resampler.process(noise(len(data) // 2, 5, 20_000).tobytes())
        assert any(resampler.process(data))
        resampler.process(noise(len(data) // 2, 5, 20_000).tobytes())
        resampler.reset()
        assert not any(resampler.process(data))


def test_saturation_is_clipped_and_counted() -> None:
    """A full-scale square wave overshoots between its corners; it must clip and never wrap."""
    square = np.repeat(np.tile(np.array([32_124, -32_124], np.int16), 20), 20)
    upsampler = Upsampler()
    loud = np.frombuffer(upsampler.process(square.tobytes()), np.int16).astype(int)
    assert upsampler.saturated == np.count_nonzero(np.abs(loud) == 32_767) > 0
    # Within a half wave, away from its edges, the sign never flips.
    settled = loud[DELAY_24K_SAMPLES:][: 39 * 60].reshape(-1, 60)[:, 10:50]
    assert (np.sign(settled) == np.sign(settled[:, :1])).all()


def test_what_cannot_clip_is_not_counted() -> None:
    upsampler, downsampler = Upsampler(), Downsampler()
    upsampler.process(noise(3_000, 6, 14_000).tobytes())
    downsampler.process(noise(3_000, 6, 14_000).tobytes())
    assert (upsampler.saturated, downsampler.saturated) == (0, 0)


@pytest.mark.parametrize(("resampler", "size"), [(Upsampler(), 3), (Downsampler(), 8)])
def test_a_torn_unit_is_refused(resampler: Upsampler | Downsampler, size: int) -> None:
    with pytest.raises(BugError):
        resampler.process(bytes(size))
    if isinstance(resampler, Downsampler):
        with pytest.raises(BugError):
            resampler.to_mulaw(bytes(size))


def test_the_filter_in_use_is_the_one_that_was_measured() -> None:
    """Quality, delay and speed were measured with these taps: others are another decision."""
    taps = lowpass()
    assert len(taps) == TAPS == 91
    np.testing.assert_array_equal(taps, taps[::-1])
    measured = (
        0.32532721627588,
        -0.00765176398107,
        -0.00643490924696,
        -0.00477014192353,
        -0.00305605454762,
        -0.00162816937709,
        -0.00066267735668,
        -0.00015664791740,
    )
    np.testing.assert_allclose(taps[45::6], measured, rtol=1e-9)


@settings(max_examples=60)
@given(st.lists(st.sampled_from((1_000, 15_000, 32_000)), min_size=2, max_size=8), st.booleans())
def test_mulaw_in_frames_is_resampled_and_clipped_as_its_samples_are(
    peaks: list[int], ragged: bool
) -> None:
    """Which frames may clip is told by their codes, and by those of the frame before."""
    by_code, by_sample = Upsampler(), Upsampler()
    for seed, peak in enumerate(peaks):
        sizes = (70, 160) if ragged and seed == 1 else (160,)
        for size in sizes:
            loud_end = np.concatenate([noise(size - 20, seed, 900), noise(20, seed, peak)])
            frame = pcm_to_mulaw(loud_end.astype(np.int16).tobytes())
            assert by_code.from_mulaw(frame) == by_sample.process(mulaw_to_pcm(frame))
            assert by_code.saturated == by_sample.saturated


def test_a_loud_end_of_a_frame_is_clipped_in_the_next_one() -> None:
    upsampler = Upsampler()
    step = np.zeros(160, np.int16)
    step[-4:] = 32_000, 32_000, -32_000, 32_000
    upsampler.from_mulaw(pcm_to_mulaw(step.tobytes()))
    loud = np.zeros(160, np.int16)
    loud[:3] = 15_000, -15_000, 15_000
    before = upsampler.saturated
    upsampler.from_mulaw(pcm_to_mulaw(loud.tobytes()))
    assert upsampler.saturated > before
