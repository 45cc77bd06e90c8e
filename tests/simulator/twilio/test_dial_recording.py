"""Recording of a `<Dial>` at the simulated carrier."""

from __future__ import annotations

import io
import wave

from gateway.audio.g711 import mulaw_to_pcm
from gateway.simulator.twilio.dial_recording import DialRecording
from gateway.simulator.twilio.line import TelephoneLine
from gateway.simulator.twilio.twiml import TwimlVerb


def a_line() -> tuple[TelephoneLine, list[float]]:
    now = [100.0]
    line = TelephoneLine(lambda: now[0])
    line.answer()
    return line, now


def a_verb(**attributes: str) -> TwimlVerb:
    return TwimlVerb("Dial", attributes)


def test_both_legs_are_recorded_from_the_answer_on_and_a_pause_is_silence() -> None:
    line, now = a_line()
    recording = DialRecording.of(a_verb(record="record-from-answer-dual"), line)
    assert recording is not None
    line.spoken.add(b"\x10" * 16_000, 0)
    line.playback.media(b"\x20" * 16_000, 0)
    now[0] = 100.5
    recording.begin()
    now[0] = 101.0
    recording.pause()
    now[0] = 101.5
    recording.resume()
    now[0] = 102.0
    recording.end()
    with wave.open(io.BytesIO(recording.wav(2))) as file:
        sound = file.readframes(100_000)
    left = b"\x10" * 4000 + b"\xff" * 4000 + b"\x10" * 4000
    assert sound == b"".join(
        mulaw_to_pcm(bytes([one])) + mulaw_to_pcm(bytes([one + 0x10 if one != 0xFF else 0xFF]))
        for one in left
    )
    assert recording.status == "completed"
    assert recording.fields("https://x")["RecordingDuration"] == "2"


def test_a_leg_that_is_not_answered_has_no_recording() -> None:
    line, _ = a_line()
    recording = DialRecording.of(a_verb(record="record-from-answer"), line)
    assert recording is not None
    recording.end()
    assert (recording.status, recording.samples, recording.dual) == ("absent", 0, False)


def test_only_a_value_that_there_is_records() -> None:
    line, _ = a_line()
    assert DialRecording.of(a_verb(), line) is None
    assert DialRecording.of(a_verb(record="do-not-record"), line) is None
    assert DialRecording.of(a_verb(record="both"), line) is None
    assert [warning.code for warning in line.warnings] == [12200]
