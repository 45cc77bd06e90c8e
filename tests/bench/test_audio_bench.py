"""Known resamplers get the marks that they are known for."""

from __future__ import annotations

import numpy as np
import pytest

from bench import audio_bench
from bench.resamplers import OURS, SOXR_QUALITIES
from gateway.audio.tones import tone_pcm


@pytest.fixture(scope="module")
def measured() -> audio_bench.AudioBench:
    """Measured with bursts of tone; marks for speech are for the bench and tests/audio."""
    pieces = [tone_pcm(hz, 200, -12, 24_000) + bytes(4_800) for hz in range(300, 3_300, 300)]
    samples = np.frombuffer(b"".join(pieces), np.int16)
    return audio_bench.run(samples, audio_bench.Repeats(timed=100, warm_up=5))


def test_the_live_path_keeps_its_promises(measured: audio_bench.AudioBench) -> None:
    ours = measured["resamplers"][OURS]
    assert ours["up_delay_ms"] == ours["down_delay_ms"] == 1.875
    assert min(ours["alias_rejection_db"], ours["image_rejection_db"]) >= 80
    best = measured["resamplers"]["soxr VHQ"]
    assert ours["up_pesq"] > best["up_pesq"] - 0.02
    assert ours["down_pesq"] > best["down_pesq"] - 0.02


def test_what_others_do_is_seen(measured: audio_bench.AudioBench) -> None:
    """No filter at all in ratecv and QQ; a good filter that holds back in HQ and VHQ."""
    marks = measured["resamplers"]
    assert set(marks) == {OURS, "audioop.ratecv", *(f"soxr {name}" for name in SOXR_QUALITIES)}
    for name in ("audioop.ratecv", "soxr QQ"):
        assert marks[name]["alias_rejection_db"] == pytest.approx(0, abs=0.5)
        assert marks[name]["down_delay_ms"] < 1
    for name in ("soxr HQ", "soxr VHQ"):
        assert marks[name]["alias_rejection_db"] > 90
        assert marks[name]["down_delay_ms"] > 50


def test_every_cost_is_measured_and_every_row_is_full(measured: audio_bench.AudioBench) -> None:
    assert set(measured["path"]) == {"pcm24k", "pcmu"}
    for table in (list(audio_bench.rows(measured)), list(audio_bench.path_rows(measured))):
        assert len({len(row) for row in table}) == 1
    costs = [cost for path in measured["path"].values() for cost in path.values()]
    costs += [row[way] for row in measured["resamplers"].values() for way in ("up_us", "down_us")]
    assert all(float(str(cost)) > 0 for cost in costs)
