"""The caller's side: speech found, turns committed, silences, transcripts."""

from __future__ import annotations

import pytest
from session_rig import PCMU, SessionRig

from gateway.simulator.audio.tts import ToneVoice


def test_a_turn_is_heard_committed_and_answered() -> None:
    rig = SessionRig().listen_in()
    since = len(rig.events)
    rig.append(b"\xff" * 8000).talk(1.2, 0.4)
    started = rig.last("input_audio_buffer.speech_started")
    stopped = rig.last("input_audio_buffer.speech_stopped")
    assert 600 <= started["audio_start_ms"] <= 780  # a second of silence, less the padding
    assert stopped["audio_end_ms"] == pytest.approx(1000 + 1140 + 300, abs=60)
    assert started["item_id"] == stopped["item_id"]
    assert rig.types(since)[:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
    ]
    assert rig.last("input_audio_buffer.committed")["item_id"] == started["item_id"]


def test_a_turn_is_transcribed_only_where_that_was_asked_for() -> None:
    rig = SessionRig().listen_in()
    rig.talk().wait(2)
    assert not rig.of("conversation.item.input_audio_transcription.completed")
    rig.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    rig.talk().wait(2)
    done = rig.last("conversation.item.input_audio_transcription.completed")
    assert done["transcript"].endswith("s of speech)")
    assert done["usage"]["type"] == "duration"
    rig.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
    rig.talk().wait(2)
    usage = rig.last("conversation.item.input_audio_transcription.completed")["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_speech_cuts_a_running_answer() -> None:
    rig = SessionRig().listen_in()
    rig.send("response.create", response={"instructions": f'Say exactly: "{"word " * 40}"'})
    rig.wait(0.5)
    item_id = rig.last("response.output_audio.delta")["item_id"]
    since = len(rig.events)
    rig.talk(0.3, 0.0)
    kinds = [kind for kind in rig.types(since) if not kind.endswith("delta")]
    assert kinds == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = rig.last("response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"]["reason"] == "turn_detected"
    assert response["output"][0]["status"] == "incomplete"
    assert response["output"][0]["id"] == item_id
    after = len(rig.events)
    rig.wait(0.2)
    assert rig.types(after) == []


def test_interrupt_response_false_lets_the_answer_run() -> None:
    rig = SessionRig().listen_in(interrupt_response=False)
    rig.send("response.create", response={"instructions": f'Say exactly: "{"word " * 90}"'})
    rig.wait(0.3).talk(0.6, 0.4)
    assert rig.last("response.created") == rig.of("response.created")[0]
    error = rig.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", None)
    assert not rig.violations  # nobody's fault but the settings'
    assert rig.wait(9).last("response.done")["response"]["status"] == "completed"


def test_create_response_false_leaves_the_answer_to_the_client() -> None:
    rig = SessionRig().listen_in(create_response=False)
    rig.talk().wait(2)
    assert not rig.of("response.created")
    rig.send("response.create")
    rig.wait(4)
    assert "You spoke for" in rig.last("response.output_audio_transcript.done")["transcript"]


def test_without_turn_detection_the_client_commits() -> None:
    rig = SessionRig()
    rig.update(audio={"input": {"format": PCMU, "turn_detection": None}})
    assert rig.refusal(rig.send("input_audio_buffer.commit")) == (
        "input_audio_buffer_commit_empty",
        None,
    )
    rig.talk(1.0, 0.5)
    assert not rig.of("input_audio_buffer.speech_started")
    since = len(rig.events)
    rig.send("input_audio_buffer.commit")
    assert rig.types(since) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert rig.refusal(rig.send("input_audio_buffer.commit"))[0] == (
        "input_audio_buffer_commit_empty"
    )


def test_a_client_commits_in_the_midst_of_speech() -> None:
    """What was said so far is a turn, without an answer; the detection begins anew."""
    rig = SessionRig().listen_in()
    rig.talk(1.0, 0)
    assert rig.types()[-1] == "input_audio_buffer.speech_started"
    since = len(rig.events)
    rig.send("input_audio_buffer.commit")
    rig.wait(1)
    assert "input_audio_buffer.committed" in rig.types(since)
    assert "response.created" not in rig.types(since)
    rig.talk(1.0, 0.6)
    items = {event["item_id"] for event in rig.of("input_audio_buffer.committed")}
    assert len(items) == 2
    assert not rig.violations


def test_clear_forgets_what_was_written() -> None:
    rig = SessionRig()
    rig.update(audio={"input": {"format": PCMU, "turn_detection": None}})
    rig.talk()
    assert [e["type"] for e in rig.send("input_audio_buffer.clear")] == [
        "input_audio_buffer.cleared"
    ]
    assert rig.refusal(rig.send("input_audio_buffer.commit"))[0] == (
        "input_audio_buffer_commit_empty"
    )


def test_a_long_silence_after_an_answer_makes_the_model_speak() -> None:
    rig = SessionRig().listen_in(idle_timeout_ms=6000)
    rig.send("response.create")
    rig.wait(2)
    item_id = rig.last("response.output_audio.delta")["item_id"]
    done_at = rig.times[rig.events.index(rig.last("response.done"))]
    rig.append(b"\xff" * 8 * 2000)
    rig.wait(20)
    index = rig.events.index(rig.of("input_audio_buffer.timeout_triggered")[0])
    expected = done_at + rig.audio_ms(item_id) / 1000 + 6
    assert rig.times[index] == pytest.approx(expected, abs=0.05)
    assert rig.of("input_audio_buffer.committed")
    assert "still there" in rig.last("response.output_audio_transcript.done")["transcript"]


def test_a_click_is_no_speech() -> None:
    rig = SessionRig().listen_in()
    rig.append(b"\xff" * 1600 + b"\x00" * 160 + b"\xff" * 1600)
    assert not rig.of("input_audio_buffer.speech_started")


def test_pcm16_in_pieces_of_any_size_gives_the_same_times() -> None:
    def heard(frame: int) -> tuple[int, int]:
        rig = SessionRig().listen_in("audio/pcm")
        spoken = ToneVoice().say("x" * 20, "en", "audio/pcm")
        rig.append(b"\0" * 24000 + spoken + b"\0" * 24000, frame)
        start = rig.last("input_audio_buffer.speech_started")["audio_start_ms"]
        return start, rig.last("input_audio_buffer.speech_stopped")["audio_end_ms"]

    assert heard(960) == heard(962) == heard(7000)
