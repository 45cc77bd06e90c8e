"""The input buffer of a simulated session: its time line, its commits and what it forgets."""

from __future__ import annotations

import pytest

from gateway.simulator.audio.formats import WIRES
from gateway.simulator.openai.realtime.input_buffer import (
    COMMIT_MIN_MS,
    IDLE_KEPT_MS,
    InputBuffer,
)
from gateway.simulator.openai.realtime.validation import InvalidValue

PCM, PCMU = WIRES["audio/pcm"], WIRES["audio/pcmu"]
VAD = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500, "prefix_padding_ms": 300}


def sound(ms: int, first: int = 0) -> bytes:
    """Mu-law whose bytes count up, so that a place in it can be recognized."""
    return bytes((first + at) % 251 for at in range(ms * 8))


def test_times_are_milliseconds_of_audio() -> None:
    buffer = InputBuffer(PCM, None)
    buffer.write(bytes(48 * 10))
    assert (buffer.written_ms, buffer.speaking) == (10, False)


def test_half_a_sample_is_refused_and_not_written() -> None:
    buffer = InputBuffer(PCM, None)
    with pytest.raises(InvalidValue):
        buffer.write(b"\0\0\0")
    assert buffer.written_ms == 0
    assert InputBuffer(PCMU, None).write(b"\0\0\0") == []


def test_a_commit_takes_everything_and_goes_on_in_time() -> None:
    buffer = InputBuffer(PCMU, None)
    buffer.write(sound(COMMIT_MIN_MS))
    assert buffer.commit() == sound(COMMIT_MIN_MS)
    assert buffer.written_ms == COMMIT_MIN_MS
    with pytest.raises(InvalidValue) as refused:
        buffer.commit()
    assert refused.value.code == "input_audio_buffer_commit_empty"


def test_a_commit_of_too_little_is_refused_and_keeps_it() -> None:
    buffer = InputBuffer(PCMU, None)
    buffer.write(sound(COMMIT_MIN_MS)[:-1])
    with pytest.raises(InvalidValue):
        buffer.commit()
    buffer.write(sound(COMMIT_MIN_MS)[-1:])
    assert buffer.commit() == sound(COMMIT_MIN_MS)


def test_a_turn_is_taken_out_by_its_times() -> None:
    buffer = InputBuffer(PCMU, None)
    buffer.write(sound(300))
    assert buffer.take_audio(100, 200) == sound(300)[800:1600]
    assert buffer.take_audio(0, 250) == sound(300)[1600:2000], "what was before has left"
    assert buffer.take_audio(260, 400) == sound(300)[2080:], "no more than there is"
    assert buffer.take_audio(400, 300) == b""


def test_whole_samples_are_taken() -> None:
    buffer = InputBuffer(PCM, None)
    buffer.write(bytes(48 * 100))
    buffer.take_audio(0, 33)
    assert len(buffer.take_audio(33, 100)) % 2 == 0


def test_clearing_loses_the_sound_and_not_the_time() -> None:
    buffer = InputBuffer(PCMU, None)
    buffer.write(sound(500))
    buffer.clear()
    buffer.write(sound(200, first=7))
    assert buffer.written_ms == 700
    assert buffer.commit() == sound(200, first=7)


def test_a_new_format_begins_an_empty_buffer_at_the_same_time() -> None:
    buffer = InputBuffer(PCMU, None)
    buffer.write(sound(500))
    buffer.configure(PCM, None)
    assert buffer.written_ms == 500
    with pytest.raises(InvalidValue):
        buffer.commit()
    buffer.write(bytes(48 * 100))
    assert buffer.written_ms == 600


def test_the_same_settings_keep_what_was_written() -> None:
    buffer = InputBuffer(PCMU, VAD)
    buffer.write(b"\xff" * 8 * 500)
    buffer.configure(PCMU, dict(VAD))
    assert len(buffer.take_audio(0, 500)) == 8 * 500


@pytest.mark.parametrize(("detection", "kept"), [(VAD, True), (None, False)])
def test_with_a_vad_long_silence_is_forgotten(
    detection: dict[str, object] | None, kept: bool
) -> None:
    buffer = InputBuffer(PCMU, detection)
    kept_ms = IDLE_KEPT_MS + 300
    for _ in range(2 * kept_ms // 20 + 1):
        buffer.write(b"\xff" * 160)
    written_ms = buffer.written_ms
    assert written_ms == (2 * kept_ms // 20 + 1) * 20
    left_ms = len(buffer.take_audio(0, written_ms)) / 8
    assert left_ms == (kept_ms if kept else written_ms)
