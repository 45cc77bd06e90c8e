"""Tones found again by FFT."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gateway.audio.g711 import mulaw_to_pcm
from gateway.audio.tones import DTMF_HZ, dtmf_mulaw, hold_mulaw, keys_mulaw, tone_pcm

# ITU-T Q.23, written out: the table under test is computed.
KEYPAD = {
    697: {"1": 1209, "2": 1336, "3": 1477, "A": 1633},
    770: {"4": 1209, "5": 1336, "6": 1477, "B": 1633},
    852: {"7": 1209, "8": 1336, "9": 1477, "C": 1633},
    941: {"*": 1209, "0": 1336, "#": 1477, "D": 1633},
}
KEYS = [(key, low, high) for low, row in KEYPAD.items() for key, high in row.items()]


def test_the_table_is_complete() -> None:
    expected = {key: (low, high) for key, low, high in KEYS}
    assert expected == DTMF_HZ


@pytest.mark.parametrize(("key", "low", "high"), KEYS)
def test_a_key_is_its_two_tones_and_no_other(key: str, low: int, high: int) -> None:
    samples = np.frombuffer(mulaw_to_pcm(dtmf_mulaw(key, 1_000)), np.int16)
    level = 20 * np.log10(np.abs(np.fft.rfft(samples * np.hanning(8_000))) + 1)
    assert set(np.argsort(level)[-2:].tolist()) == {low, high}
    assert level[high] - level[low] == pytest.approx(2, abs=0.2)
    others = set(itertools.chain(*DTMF_HZ.values())) - {low, high}
    assert max(level[hz] for hz in others) < level[low] - 30


def test_a_key_lasts_as_long_as_asked_and_does_not_click() -> None:
    mulaw = dtmf_mulaw("5", 80)
    samples = np.frombuffer(mulaw_to_pcm(mulaw), np.int16)
    assert len(mulaw) == 640
    assert max(abs(int(samples[0])), abs(int(samples[-1]))) < 200


@pytest.mark.parametrize(("ms", "rises"), [(100, 40), (10, 40), (8, 32), (1, 4)])
def test_a_key_rises_and_falls_within_5_ms_or_half_of_it(ms: int, rises: int) -> None:
    """By the squares of a quarter of a sine, from and to silence."""
    at = np.arange(8 * ms)
    low, high = (
        32_767 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * at / 8_000)
        for hz, dbfs in ((770, -12), (1336, -10))
    )
    edge = np.minimum(at, 8 * ms - 1 - at) / rises
    expected = (low + high) * np.sin(np.pi / 2 * edge.clip(0, 1)) ** 2
    heard = np.frombuffer(mulaw_to_pcm(dtmf_mulaw("5", ms)), np.int16)
    # Half a step of mu-law is a 32nd of what is heard; its encoder decides on 14 bits.
    assert heard == pytest.approx(expected, rel=1 / 25, abs=16)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(KeyError):
        dtmf_mulaw("E", 100)


@pytest.mark.parametrize("rate", [8_000, 24_000])
def test_a_tone_has_its_pitch_length_and_level(rate: int) -> None:
    samples = np.frombuffer(tone_pcm(440, 1_000, -6, rate), np.int16)
    assert len(samples) == rate
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440
    assert np.abs(samples).max() == pytest.approx(32_767 / 10 ** (6 / 20), rel=0.001)


@pytest.mark.parametrize(
    ("level_dbfs", "samples"), [(0, [0, 32_767, 0, -32_767]), (1, [0, 32_767, 0, -32_768])]
)
def test_a_tone_reaches_full_scale_and_goes_no_further(
    level_dbfs: float, samples: list[int]
) -> None:
    assert np.frombuffer(tone_pcm(2_000, 1, level_dbfs, 8_000), np.int16).tolist() == samples * 2


def test_hold_is_gentle_and_loops_without_a_click() -> None:
    mulaw = hold_mulaw()
    samples = np.frombuffer(mulaw_to_pcm(mulaw * 2), np.int16).astype(int)
    assert len(mulaw) % 160 == 0
    assert 500 < np.abs(samples).max() < 32_768 / 10 ** (20 / 20)
    assert np.abs(np.diff(samples)).max() < 500
    seam = samples[len(mulaw) - 80 : len(mulaw) + 80]
    assert np.abs(seam).max() < 40


def test_hold_swells_and_fades_and_then_rests() -> None:
    """The loudness of each fifth of a second, as PCM16, and nothing behind it."""
    samples = np.frombuffer(mulaw_to_pcm(hold_mulaw()), np.int16).astype(float)
    assert len(samples) == 4 * 8_000
    parts = np.sqrt((samples[:12_800].reshape(8, -1) ** 2).mean(axis=1))
    assert parts == pytest.approx([29.4, 141.3, 295.9, 404.0, 404.1, 295.3, 141.4, 29.5], abs=2)
    assert not samples[12_800:].any()


def test_keys_in_a_row_have_gaps_and_waits() -> None:
    assert [len(keys_mulaw(keys)) for keys in ("5", "w", "W", "1w2", "")] == [
        1_600,
        4_000,
        8_000,
        7_200,
        0,
    ]
    samples = np.frombuffer(mulaw_to_pcm(keys_mulaw("5")), np.int16).astype(float)
    assert not samples[800:].any()
    # It rises within 5 ms, and is as loud as Q.24 wants it.
    rises = [np.abs(samples[at : at + 10]).max() for at in range(0, 50, 10)]
    assert rises == pytest.approx([748, 5_628, 13_948, 11_388, 16_764], rel=0.05)
    assert np.abs(samples).max() == pytest.approx(18_812, rel=0.05)
