"""A session's configuration and the strictness of its reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeSessionCreateResponse
from session_rig import END_CALL, PCMU, SessionRig

from gateway.simulator.openai.realtime.script import Script, parse_script


@pytest.fixture
def rig() -> SessionRig:
    return SessionRig()


def test_a_session_says_first_what_it_is(rig: SessionRig) -> None:
    created, conversation = rig.events
    assert created["type"] == "session.created"
    session = created["session"]
    RealtimeSessionCreateResponse.model_validate(session, strict=True)
    assert session["expires_at"] == 1_800_003_600
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert conversation["conversation"]["id"].startswith("conv_")


def test_an_update_changes_only_what_it_names(rig: SessionRig) -> None:
    rig.update(instructions="Be brief.", audio={"input": {"format": PCMU}})
    rig.update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}})
    rig.update(audio={"input": {"noise_reduction": {"type": "near_field"}}})
    session = rig.last("session.updated")["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["format"] == PCMU
    assert session["audio"]["output"]["format"]["type"] == "audio/pcm"
    assert session["audio"]["input"]["turn_detection"]["threshold"] == 0.7
    assert session["audio"]["input"]["turn_detection"]["prefix_padding_ms"] == 300
    assert session["audio"]["input"]["noise_reduction"]["strength"] == 1.0


def test_null_and_empty_clear(rig: SessionRig) -> None:
    rig.update(instructions="Be brief.", tools=[END_CALL])
    rig.update(instructions="", tools=[], audio={"input": {"turn_detection": None}})
    session = rig.last("session.updated")["session"]
    assert (session["instructions"], session["tools"]) == ("", [])
    assert session["audio"]["input"]["turn_detection"] is None


def test_the_other_kind_of_turn_detection_starts_from_its_own_defaults(rig: SessionRig) -> None:
    rig.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
    assert rig.last("session.updated")["session"]["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }


VAD = {"type": "server_vad"}


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"voice": "marin"}, "unknown_parameter", "session.voice"),
        ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
        ({"model": "gpt-realtime-1.5"}, "invalid_value", "session.model"),
        ({"max_output_tokens": 5000}, "integer_above_max_value", "session.max_output_tokens"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"audio": {"output": {"voice": "bob"}}}, "invalid_value", "session.audio.output.voice"),
        (
            {"audio": {"output": {"speed": 2.0}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
        ),
        (
            {"audio": {"input": {"format": {"type": "g711_ulaw"}}}},
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
            "unknown_parameter",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"turn_detection": {**VAD, "idle_timeout_ms": 60_000}}}},
            "integer_above_max_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {**VAD, "eagerness": "low"}}}},
            "unknown_parameter",
            "session.audio.input.turn_detection.eagerness",
        ),
        (
            {"audio": {"input": {"transcription": {"model": "whisper-9"}}}},
            "invalid_value",
            "session.audio.input.transcription.model",
        ),
        (
            {"tools": [{"type": "mcp"}]},
            "missing_required_parameter",
            "session.tools[0].server_label",
        ),
        (
            {"tools": [{"type": "function"}]},
            "missing_required_parameter",
            "session.tools[0].name",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    rig: SessionRig, session: dict[str, Any], code: str, param: str
) -> None:
    before = rig.session.settings
    answers = rig.send("session.update", event_id="mine", session={"type": "realtime", **session})
    assert rig.refusal(answers) == (code, param)
    assert answers[0]["error"]["event_id"] == "mine"
    assert rig.session.settings == before
    assert rig.violations[0]["param"] == param


def test_a_session_without_its_type_is_refused(rig: SessionRig) -> None:
    answers = rig.send("session.update", session={"instructions": "x"})
    assert rig.refusal(answers) == ("missing_required_parameter", "session.type")


def test_the_voice_is_frozen_once_it_was_heard(rig: SessionRig) -> None:
    rig.update(audio={"output": {"voice": "cedar"}})
    rig.send("response.create")
    rig.wait(5)
    rig.update(audio={"output": {"voice": "cedar"}})
    answers = rig.update(audio={"output": {"voice": "ash"}})
    assert rig.refusal(answers) == ("cannot_update_voice", "session.audio.output.voice")


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"[]", "invalid_event", None),
        (b"\xff\xfe", "invalid_json", None),
        (b"{}", "missing_required_parameter", "type"),
        (b'{"type":"response.creat"}', "invalid_event", "type"),
        (b'{"type":"response.create","foo":1}', "unknown_parameter", "foo"),
        (b'{"type":"response.cancel","response_id":3}', "invalid_type", "response_id"),
        (b'{"type":"input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"*"}', "invalid_value", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"AA=="}', "invalid_value", "audio"),
        (b'{"type":"input_audio_buffer.append","audio":"","x":1}', "unknown_parameter", "x"),
        (b'{"type":"output_audio_buffer.clear"}', "invalid_event", "type"),
        (
            b'{"type":"response.create","response":{"modalities":["audio"]}}',
            "unknown_parameter",
            "response.modalities",
        ),
        (
            b'{"type":"response.create","response":{"metadata":{"a":1}}}',
            "invalid_type",
            "response.metadata.a",
        ),
    ],
)
def test_what_is_no_client_event_is_refused(
    rig: SessionRig, message: bytes, code: str, param: str | None
) -> None:
    assert rig.refusal(rig.send_raw(message)) == (code, param)
    assert len(rig.violations) == 1


def test_a_binary_message_is_refused(rig: SessionRig) -> None:
    rig.session.refuse_binary(rig.now)
    rig.wait(0)
    assert rig.last("error")["error"]["code"] == "invalid_event"


def test_more_than_fifteen_mebibytes_in_one_append_is_refused(rig: SessionRig) -> None:
    head = b'{"type":"input_audio_buffer.append","audio":"'
    answers = rig.send_raw(head + b"A" * (20 * 1024 * 1024 + 8) + b'"}')
    assert rig.refusal(answers) == ("invalid_value", "audio")


def test_at_its_hour_a_session_says_so_and_closes() -> None:
    rig = SessionRig(Script(session_seconds=120))
    rig.wait(119.9)
    assert not rig.closed
    rig.wait(0.2)
    assert rig.last("error")["error"]["code"] == "session_expired"
    assert "2 minutes" in rig.last("error")["error"]["message"]
    assert rig.closed
    assert rig.closed.code == 1001
    assert not rig.violations


def test_a_script_can_echo_an_update_wrongly_once() -> None:
    script = parse_script(
        "on_update: {echo: {audio: {input: {format: {type: audio/pcm}}}}, times: 1}"
    )
    rig = SessionRig(script)
    formats = [
        rig.update(audio={"input": {"format": PCMU}})[0]["session"]["audio"]["input"]["format"]
        for _ in range(2)
    ]
    assert [f["type"] for f in formats] == ["audio/pcm", "audio/pcmu"]


def test_a_script_can_leave_an_update_unanswered() -> None:
    assert SessionRig(parse_script("on_update: {ignore: true}")).update(instructions="x") == []


def test_a_hosted_mcp_server_fails_openly(rig: SessionRig) -> None:
    tool = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example/mcp"}
    rig.update(tools=[tool])
    rig.update(tools=[tool])
    rig.wait(1)
    item_id = rig.last("mcp_list_tools.in_progress")["item_id"]
    assert [event["item_id"] for event in rig.of("mcp_list_tools.failed")] == [item_id]
    assert rig.last("conversation.item.added")["item"]["server_label"] == "shop"
    assert rig.journal[-1]["kind"] == "mcp_listed"
    assert rig.journal[-1]["error"]


def test_every_answer_to_a_client_names_its_event(rig: SessionRig) -> None:
    answers = rig.send_raw(json.dumps({"type": "response.cancel", "event_id": "e9"}).encode())
    assert answers[0]["error"]["event_id"] == "e9"
    assert answers[0]["error"]["code"] == "response_cancel_not_active"
