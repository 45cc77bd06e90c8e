"""What a session's configuration means for sound and turns."""

from __future__ import annotations

import pytest

from gateway.call.session.session_audio import TurnRules, echoes, server_answers

PCMU = {"format": {"type": "audio/pcmu"}}
PCM = {"format": {"type": "audio/pcm", "rate": 24000}}


@pytest.mark.parametrize(
    ("echoed", "same"),
    [
        ({"input": PCMU, "output": PCMU}, True),
        ({"input": PCMU | {"more": 1}, "output": PCMU}, True),
        ({"input": PCMU, "output": PCM}, False),
        ({"input": PCMU}, False),
        ({"input": "pcmu", "output": PCMU}, False),
        (None, False),
    ],
)
def test_an_echo_has_each_format_that_was_asked_for(echoed: dict[str, object], same: bool) -> None:
    assert echoes({"input": PCMU, "output": PCMU}, echoed) is same


@pytest.mark.parametrize(
    ("echoed", "same"),
    [
        ({"input": PCM, "output": PCM}, True),
        ({"input": {"format": {"type": "audio/pcm"}}, "output": PCM}, True),
        ({"input": {"format": {"type": "audio/pcm", "rate": None}}, "output": PCM}, True),
        ({"input": PCM, "output": {"format": {"type": "audio/pcmu"}}}, False),
        ({"input": {"format": {"type": "audio/pcm", "rate": 16000}}, "output": PCM}, False),
        ({"input": {"format": {"type": "audio/pcm"}}}, False),
        (None, False),
    ],
)
def test_the_rate_of_pcm_may_be_left_out(echoed: dict[str, object] | None, same: bool) -> None:
    """It is optional in the vendor's own types, and 24 kHz its only value."""
    asked = {"input": PCM, "output": PCM}
    assert echoes(asked, echoed) is same


def test_nothing_asked_for_is_nothing_to_echo() -> None:
    assert echoes({}, None)


def session(**turn_detection: object) -> dict[str, object]:
    asked = {"transcription": {"model": "whisper"}, "turn_detection": turn_detection or None}
    return {"audio": {"input": asked}}


def test_the_rules_of_turns() -> None:
    rules = TurnRules.of(session(type="server_vad", silence_duration_ms=500))
    assert rules == TurnRules(0.5, True, rules.detection, "whisper")
    quiet = session(type="server_vad", interrupt_response=False, create_response=False)
    assert TurnRules.of(quiet).transcriber == "whisper"
    assert not server_answers(quiet)
    assert server_answers(session(type="semantic_vad"))


def test_without_turn_detection_the_server_does_nothing_by_itself() -> None:
    assert TurnRules.of(session()) == TurnRules(0.0, False, {}, "whisper")
    assert not server_answers(session())
    assert TurnRules.of({}) == TurnRules(0.0, False, {}, "")
