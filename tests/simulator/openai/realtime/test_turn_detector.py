"""The caller's side: speech found, turns committed, silences, transcripts."""

from __future__ import annotations

import pytest
from model_desk import PCMU, Desk

from gateway.simulator.audio.tts import ToneVoice


def test_a_turn_is_heard_committed_and_answered() -> None:
    desk = Desk().listen_in()
    since = len(desk.events)
    desk.append(b"\xff" * 8000).talk(1.2, 0.4)
    started = desk.last("input_audio_buffer.speech_started")
    stopped = desk.last("input_audio_buffer.speech_stopped")
    assert 600 <= started["audio_start_ms"] <= 780  # a second of silence, less the padding
    assert stopped["audio_end_ms"] == pytest.approx(1000 + 1140 + 300, abs=60)
    assert started["item_id"] == stopped["item_id"]
    assert desk.types(since)[:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
    ]
    assert desk.last("input_audio_buffer.committed")["item_id"] == started["item_id"]


def test_a_turn_is_transcribed_only_where_that_was_asked_for() -> None:
    desk = Desk().listen_in()
    desk.talk().wait(2)
    assert not desk.of("conversation.item.input_audio_transcription.completed")
    desk.update(audio={"input": {"transcription": {"model": "gpt-transcribe"}}})
    desk.talk().wait(2)
    done = desk.last("conversation.item.input_audio_transcription.completed")
    assert done["transcript"].endswith("s of speech)")
    assert done["usage"]["type"] == "duration"
    desk.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
    desk.talk().wait(2)
    usage = desk.last("conversation.item.input_audio_transcription.completed")["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_speech_cuts_a_running_answer() -> None:
    desk = Desk().listen_in()
    desk.send("response.create", response={"instructions": f'Say exactly: "{"word " * 40}"'})
    desk.wait(0.5)
    item_id = desk.last("response.output_audio.delta")["item_id"]
    since = len(desk.events)
    desk.talk(0.3, 0.0)
    kinds = [kind for kind in desk.types(since) if not kind.endswith("delta")]
    assert kinds == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = desk.last("response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"]["reason"] == "turn_detected"
    assert response["output"][0]["status"] == "incomplete"
    assert response["output"][0]["id"] == item_id
    after = len(desk.events)
    desk.wait(0.2)
    assert desk.types(after) == []


def test_interrupt_response_false_lets_the_answer_run() -> None:
    desk = Desk().listen_in(interrupt_response=False)
    desk.send("response.create", response={"instructions": f'Say exactly: "{"word " * 90}"'})
    desk.wait(0.3).talk(0.6, 0.4)
    assert desk.last("response.created") == desk.of("response.created")[0]
    error = desk.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", None)
    assert not desk.violations  # nobody's fault but the settings'
    assert desk.wait(9).last("response.done")["response"]["status"] == "completed"


def test_create_response_false_leaves_the_answer_to_the_client() -> None:
    desk = Desk().listen_in(create_response=False)
    desk.talk().wait(2)
    assert not desk.of("response.created")
    desk.send("response.create")
    desk.wait(4)
    assert "You spoke for" in desk.last("response.output_audio_transcript.done")["transcript"]


def test_without_turn_detection_the_client_commits() -> None:
    desk = Desk()
    desk.update(audio={"input": {"format": PCMU, "turn_detection": None}})
    assert desk.refusal(desk.send("input_audio_buffer.commit")) == (
        "input_audio_buffer_commit_empty",
        None,
    )
    desk.talk(1.0, 0.5)
    assert not desk.of("input_audio_buffer.speech_started")
    since = len(desk.events)
    desk.send("input_audio_buffer.commit")
    assert desk.types(since) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert desk.refusal(desk.send("input_audio_buffer.commit"))[0] == (
        "input_audio_buffer_commit_empty"
    )


def test_clear_forgets_what_was_written() -> None:
    desk = Desk()
    desk.update(audio={"input": {"format": PCMU, "turn_detection": None}})
    desk.talk()
    assert [e["type"] for e in desk.send("input_audio_buffer.clear")] == [
        "input_audio_buffer.cleared"
    ]
    assert desk.refusal(desk.send("input_audio_buffer.commit"))[0] == (
        "input_audio_buffer_commit_empty"
    )


def test_a_long_silence_after_an_answer_makes_the_model_speak() -> None:
    desk = Desk().listen_in(idle_timeout_ms=6000)
    desk.send("response.create")
    desk.wait(2)
    item_id = desk.last("response.output_audio.delta")["item_id"]
    done_at = desk.times[desk.events.index(desk.last("response.done"))]
    desk.append(b"\xff" * 8 * 2000)
    desk.wait(20)
    index = desk.events.index(desk.of("input_audio_buffer.timeout_triggered")[0])
    expected = done_at + desk.audio_ms(item_id) / 1000 + 6
    assert desk.times[index] == pytest.approx(expected, abs=0.05)
    assert desk.of("input_audio_buffer.committed")
    assert "still there" in desk.last("response.output_audio_transcript.done")["transcript"]


def test_a_click_is_no_speech() -> None:
    desk = Desk().listen_in()
    desk.append(b"\xff" * 1600 + b"\x00" * 160 + b"\xff" * 1600)
    assert not desk.of("input_audio_buffer.speech_started")


def test_pcm16_in_pieces_of_any_size_gives_the_same_times() -> None:
    def heard(frame: int) -> tuple[int, int]:
        desk = Desk().listen_in("audio/pcm")
        spoken = ToneVoice().say("x" * 20, "en", "audio/pcm")
        desk.append(b"\0" * 24000 + spoken + b"\0" * 24000, frame)
        start = desk.last("input_audio_buffer.speech_started")["audio_start_ms"]
        return start, desk.last("input_audio_buffer.speech_stopped")["audio_end_ms"]

    assert heard(960) == heard(962) == heard(7000)
