"""Formats of a caller's line: a telephone's, and a browser's."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.g711 import mulaw_to_pcm
from gateway.audio.tones import hold_mulaw, keys_mulaw
from gateway.audio.transcode import caller_to_model, model_to_caller
from gateway.audio.wire import MULAW_8K, PCM_24K, WireFormat

SOUND = np.random.default_rng(1).integers(-9000, 9000, 24_000, np.int16).tobytes()


@pytest.mark.parametrize("audio", ["pcm24k", "pcmu"])
def test_pcm_goes_through_untouched(audio: str) -> None:
    up = caller_to_model(audio, PCM_24K)  # type: ignore[arg-type]
    down = model_to_caller(audio, PCM_24K)  # type: ignore[arg-type]
    assert up.convert(SOUND[:960]) == SOUND[:960]
    assert down.convert(SOUND) + down.flush() == SOUND
    assert (up.saturated, down.saturated) == (0, 0)


def test_half_a_sample_waits_for_its_other_half() -> None:
    up = caller_to_model("pcm24k", PCM_24K)
    assert up.convert(b"abc") + up.convert(b"def") == b"abcdef"
    up.convert(b"g")
    up.reset()
    assert up.convert(b"hi") == b"hi"


def test_a_ragged_end_is_filled_with_silence() -> None:
    down = model_to_caller("pcm24k", PCM_24K)
    assert down.convert(SOUND[:1000]) == SOUND[:960]
    assert down.flush() == SOUND[960:1000] + bytes(920)


@pytest.mark.parametrize("wire", [MULAW_8K, PCM_24K])
def test_tones_last_as_long_on_each_line(wire: WireFormat) -> None:
    assert len(wire.hold_tone()) == len(hold_mulaw()) // 8 * wire.bytes_per_ms
    assert len(wire.keys("5w#")) == len(keys_mulaw("5w#")) // 8 * wire.bytes_per_ms


def test_keys_are_as_loud_on_each_line() -> None:
    telephone = np.frombuffer(mulaw_to_pcm(MULAW_8K.keys("1")), np.int16).astype(float)
    browser = np.frombuffer(PCM_24K.keys("1"), np.int16).astype(float)
    assert browser.std() == pytest.approx(telephone.std(), rel=0.05)


@pytest.mark.parametrize(("wire", "bytes_per_sample"), [(MULAW_8K, 1), (PCM_24K, 2)])
def test_a_millisecond_has_the_bytes_of_its_samples(
    wire: WireFormat, bytes_per_sample: int
) -> None:
    assert wire.sample_rate * bytes_per_sample == wire.bytes_per_ms * 1000
