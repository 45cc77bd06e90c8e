"""What a call holds: both directions, both formats, whatever the deltas look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio.g711 import mulaw_to_pcm, pcm_to_mulaw
from gateway.audio.resample import DELAY_24K_SAMPLES
from gateway.audio.transcode import AudioFormat, caller_to_model, model_to_caller

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS: tuple[AudioFormat, ...] = ("pcm24k", "pcmu")
DELAY_8K_SAMPLES = DELAY_24K_SAMPLES // 3


def heard(mulaw: bytes) -> NDArray[np.int16]:
    return np.frombuffer(mulaw_to_pcm(mulaw), np.int16)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    edges = np.cumsum([0, *sizes]).tolist()
    return [data[a:b] for a, b in zip(edges, [*edges[1:], len(data)], strict=True)]


def some_audio(audio: AudioFormat, count: int) -> bytes:
    rng = np.random.default_rng(count)
    if audio == "pcmu":
        return rng.integers(0, 256, count, np.uint8).tobytes()
    return rng.integers(-9_000, 9_000, -(-count // 2)).astype(np.int16).tobytes()[:count]


@pytest.mark.parametrize("count", [1, 80, 159, 160, 161, 240, 800])
def test_every_caller_frame_is_answered_in_full_at_once(count: int) -> None:
    converter = caller_to_model("pcm24k")
    for _ in range(5):
        assert len(converter.convert(bytes(count))) == count * 6


def test_mulaw_passes_through_untouched() -> None:
    converter, frame = caller_to_model("pcmu"), bytes(range(160))
    assert converter.convert(frame) is frame
    back = model_to_caller("pcmu")
    assert back.convert(frame) is frame
    assert (converter.saturated, back.saturated) == (0, 0)


@pytest.mark.parametrize("audio", FORMATS)
@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 3_000), max_size=8))
def test_any_deltas_give_the_same_sound(audio: AudioFormat, sizes: list[int]) -> None:
    """Odd bytes too: neither a byte nor the phase is lost, and only whole 20 ms leave."""
    data = some_audio(audio, 9_999)
    whole, chunked = model_to_caller(audio), model_to_caller(audio)
    expected = whole.convert(data) + whole.flush()
    out = [chunked.convert(delta) for delta in pieces(data, sizes)] + [chunked.flush()]
    assert all(len(mulaw) % 160 == 0 for mulaw in out)
    assert len(b"".join(out)) == len(expected)
    # Not more than one step of mu-law: see the resampler about the last bit.
    assert np.abs(steps(b"".join(out)) - steps(expected)).max(initial=0) <= 1


def steps(mulaw: bytes) -> NDArray[np.int_]:
    """Codes in the order of their loudness, zero in the middle."""
    codes = np.frombuffer(mulaw, np.uint8).astype(int)
    return np.where(codes > 127, 255 - codes, codes - 127)


@pytest.mark.parametrize("audio", FORMATS)
def test_an_utterance_comes_out_as_long_as_it_is(audio: AudioFormat) -> None:
    converter = model_to_caller(audio)
    ms = 0
    for frames_ms in (7, 133, 20, 400, 45):
        converter.convert(some_audio(audio, frames_ms * converter.bytes_per_ms))
        ms += frames_ms
    assert converter.bytes_per_ms == {"pcm24k": 48, "pcmu": 8}[audio]
    fresh = model_to_caller(audio)
    out = fresh.convert(some_audio(audio, ms * fresh.bytes_per_ms)) + fresh.flush()
    assert len(out) == -(-ms // 20) * 160


@pytest.mark.parametrize("last_ms", [0, 5, 15, 19])
def test_flush_holds_nothing_back(last_ms: int) -> None:
    """The very last sample of an utterance reaches the caller, wherever it falls in a frame."""
    samples = np.zeros((40 + last_ms) * 24, np.int16)
    samples[-24:] = 20_000
    converter = model_to_caller("pcm24k")
    out = heard(converter.convert(samples.tobytes()) + converter.flush())
    start = len(samples) // 3 - 8 + DELAY_8K_SAMPLES
    assert len(out) % 160 == 0
    assert np.abs(out[start : start + 8]).min() > 8_000
    assert out.sum(dtype=int) == pytest.approx(8 * 20_000, rel=0.02)


def test_flush_of_an_utterance_that_ended_in_silence_costs_no_frame() -> None:
    converter = model_to_caller("pcm24k")
    converter.convert(some_audio("pcm24k", 4_800) + bytes(960))
    assert converter.flush() == b""


def test_flush_pads_mulaw_with_its_own_silence() -> None:
    converter = model_to_caller("pcmu")
    assert converter.convert(b"\x11" * 200) == b"\x11" * 160
    assert converter.flush() == b"\x11" * 40 + b"\xff" * 120
    assert converter.flush() == b""


@pytest.mark.parametrize("audio", FORMATS)
@pytest.mark.parametrize("end", ["flush", "reset"])
def test_the_next_utterance_hears_nothing_of_the_last(audio: AudioFormat, end: str) -> None:
    converter, fresh = model_to_caller(audio), model_to_caller(audio)
    converter.convert(some_audio(audio, 5_001))
    getattr(converter, end)()
    data = some_audio(audio, 7_000)
    assert converter.convert(data) + converter.flush() == fresh.convert(data) + fresh.flush()


def test_caller_reset_forgets() -> None:
    converter = caller_to_model("pcm24k")
    converter.convert(b"\x00\x80" * 80)
    converter.reset()
    assert not any(converter.convert(b"\xff" * 160))


def test_saturation_is_counted_both_ways() -> None:
    up, down = caller_to_model("pcm24k"), model_to_caller("pcm24k")
    up.convert((b"\x80" * 20 + b"\x00" * 20) * 8)
    square = np.repeat(np.tile(np.array([32_767, -32_768], np.int16), 8), 60)
    down.convert(square.tobytes())
    assert up.saturated > 0
    assert down.saturated > 0
    before = up.saturated
    up.reset()
    assert up.saturated == before


def test_a_round_trip_joins_without_a_step() -> None:
    """A 400 Hz tone, frame by frame up and in ragged deltas down, stays a 400 Hz tone."""
    samples = np.rint(9_000 * np.sin(2 * np.pi * 400 * np.arange(16_000) / 8_000)).astype(np.int16)
    mulaw = pcm_to_mulaw(samples.tobytes())
    up, down = caller_to_model("pcm24k"), model_to_caller("pcm24k")
    wide = b"".join(up.convert(mulaw[at : at + 160]) for at in range(0, len(mulaw), 160))
    narrow = b"".join(down.convert(wide[at : at + 4_001]) for at in range(0, len(wide), 4_001))
    steps = np.abs(np.diff(heard(narrow)[200:].astype(int)))
    # The steepest step of the sine itself, and one of mu-law's coarsest here.
    assert steps.max() < 9_000 * 2 * np.pi * 400 / 8_000 + 512
