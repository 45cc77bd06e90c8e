"""The session that is sent: GA shape, the same bytes every time, nothing that was left unset."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeSessionCreateRequest

from gateway.agents.builtin_tools import END_CALL
from gateway.agents.config.agent import Agent
from gateway.agents.file.session_schema import SessionSchema
from gateway.agents.session import (
    PCM_24K,
    PCMU,
    essential_session,
    hosted_tools,
    overreach,
    session_change,
    session_of,
)

EVERYTHING: dict[str, Any] = {
    "voice": {"id": "voice_1"},
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.6,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 400,
        "idle_timeout_ms": 6000,
        "create_response": True,
        "interrupt_response": True,
    },
    "noise_reduction": {"type": "far_field", "strength": 0.5},
    "transcription": {
        "model": "gpt-transcribe",
        "language": "en",
        "languages": ["en", "fr"],
        "keywords": ["Kowalski"],
        "prompt": "names",
        "delay": "low",
    },
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 8000},
    },
    "reasoning_effort": "low",
    "max_output_tokens": "inf",
    "speed": 1.1,
}


def agent(**fields: Any) -> Agent:
    return Agent.model_validate({"name": "desk", "instructions": "Be kind."} | fields)


def test_the_least() -> None:
    assert session_of(agent(), []) == {
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        "output_modalities": ["audio"],
        "instructions": "Be kind.",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
                "transcription": {"model": "gpt-transcribe"},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
        },
    }


def test_without_transcription() -> None:
    assert "transcription" not in session_of(agent(transcription="none"))["audio"]["input"]


def test_everything() -> None:
    session = session_of(agent(**EVERYTHING), [END_CALL])
    heard, spoken = session["audio"]["input"], session["audio"]["output"]
    for field in ("turn_detection", "noise_reduction", "transcription"):
        assert heard[field] == EVERYTHING[field]
    assert (spoken["voice"], spoken["speed"]) == ({"id": "voice_1"}, 1.1)
    assert session["truncation"] == EVERYTHING["truncation"]
    assert session["reasoning"] == {"effort": "low"}
    assert session["max_output_tokens"] == "inf"
    assert (session["tools"], session["tool_choice"]) == ([END_CALL], "auto")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        EVERYTHING,
        {"audio": "pcmu", "turn_detection": "none"},
        {"path": "sip", "turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
        {"barge_in": {"min_speech_ms": 100}, "truncation": "auto"},
    ],
)
def test_the_vendor_s_own_type_takes_it(fields: dict[str, Any]) -> None:
    session = session_of(agent(**fields), [END_CALL])
    parsed = RealtimeSessionCreateRequest.model_validate(session)
    assert parsed.model_dump(exclude_unset=True) == session
    assert not list(SessionSchema().problems(session))


def test_the_same_bytes_every_time() -> None:
    written = {json.dumps(session_of(agent(**EVERYTHING), [END_CALL])) for _ in range(3)}
    assert len(written) == 1
    keys = list(json.loads(written.pop()))
    assert keys.index("instructions") < keys.index("tools") < keys.index("audio")


def test_what_is_built_is_not_shared() -> None:
    first = agent(session={"tracing": {"metadata": {"a": 1}}})
    session = session_of(first, [END_CALL])
    session["tools"][0]["parameters"]["properties"]["x"] = {}
    session["audio"]["input"]["format"]["rate"] = 8000
    session["tracing"]["metadata"]["a"] = 2
    assert END_CALL["parameters"]["properties"] == {}
    assert PCM_24K["rate"] == 24000
    assert first.session == {"tracing": {"metadata": {"a": 1}}}


def audio_formats(session: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the model hears and what it speaks; {} where the session leaves it open."""
    heard, spoken = (session["audio"][side].get("format", {}) for side in ("input", "output"))
    return heard, spoken


def test_formats() -> None:
    assert audio_formats(session_of(agent())) == (PCM_24K, PCM_24K)
    assert audio_formats(session_of(agent(audio="pcmu"))) == (PCMU, PCMU)
    assert audio_formats(session_of(agent(path="sip"))) == ({}, {})


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_the_gateway_decides_on_turns(kind: str) -> None:
    session = session_of(agent(turn_detection=kind, barge_in={"min_speech_ms": 100}))
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)


def test_no_turn_detection_is_said_aloud() -> None:
    assert session_of(agent(turn_detection="none"))["audio"]["input"]["turn_detection"] is None


def test_session_is_merged_last_and_deep() -> None:
    mcp = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example"}
    over = {
        "audio": {"input": {"turn_detection": {"threshold": 0.9}}, "output": {"voice": "cedar"}},
        "include": ["item.input_audio_transcription.logprobs"],
        "tools": [mcp],
    }
    session = session_of(agent(session=over), [END_CALL])
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "silence_duration_ms": 500,
        "threshold": 0.9,
    }
    assert session["audio"]["output"] == {"format": PCM_24K, "voice": "cedar"}
    assert session["include"] == over["include"]
    assert session["tools"] == [END_CALL, mcp]


HOSTED: dict[str, Any] = {
    "crm": {
        "via": "openai",
        "url": "https://crm.example.com/mcp",
        "authorization": "${CRM_TOKEN}",
        "headers": {"X-Team": "desk ${TEAM}"},
        "allowed_tools": ["find", "cancel", "read"],
        "approval": {"none": ["find"], "operator": ["cancel"]},
    },
    "mail": {"via": "openai", "connector": "connector_gmail", "approval": "operator"},
    "docs": {"via": "openai", "url": "https://docs.example.com/mcp"},
    "stock": {"via": "gateway", "url": "http://stock.internal/mcp"},
}


def test_the_models_server_is_told_of_the_servers_that_it_reaches() -> None:
    hosted = hosted_tools(agent(mcp=HOSTED), {"CRM_TOKEN": "t0ken", "TEAM": "9"})
    assert hosted == [
        {
            "type": "mcp",
            "server_label": "crm",
            "server_url": "https://crm.example.com/mcp",
            "authorization": "t0ken",
            "headers": {"X-Team": "desk 9"},
            "allowed_tools": ["find", "cancel", "read"],
            "require_approval": {
                "always": {"tool_names": ["cancel", "read"]},
                "never": {"tool_names": ["find"]},
            },
        },
        {
            "type": "mcp",
            "server_label": "mail",
            "connector_id": "connector_gmail",
            "require_approval": "always",
        },
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://docs.example.com/mcp",
            "require_approval": "never",
        },
    ]
    for path in ("media-streams", "sip"):
        session = session_of(agent(path=path, mcp=HOSTED), [END_CALL, *hosted])
        assert not list(SessionSchema().problems(session))
        assert session["tools"][1:] == hosted


@pytest.mark.parametrize(
    ("approval", "told"),
    [
        ("none", "never"),
        ("operator", "always"),
        ({"operator": ["a"]}, {"always": {"tool_names": ["a"]}}),
        ({}, "always"),
    ],
    ids=str,
)
def test_whatever_needs_leave_comes_to_us(approval: Any, told: Any) -> None:
    server = {"via": "openai", "url": "https://docs.example.com", "approval": approval}
    (hosted,) = hosted_tools(agent(mcp={"docs": server}), {})
    assert hosted["require_approval"] == told


def test_an_object_of_another_type_replaces() -> None:
    over = {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}
    session = session_of(agent(session=over))
    assert session["audio"]["input"]["turn_detection"] == {"type": "semantic_vad"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"session": {"model": "gpt-realtime-2"}}, "model"),
        ({"session": {"output_modalities": ["text"]}}, "output_modalities"),
        (
            {"session": {"audio": {"input": {"format": {"type": "audio/pcma"}}}}},
            "audio.input.format",
        ),
        (
            {"path": "sip", "session": {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}},
            "audio.output.format",
        ),
        (
            {
                "barge_in": {"min_speech_ms": 1},
                "session": {"audio": {"input": {"turn_detection": {"create_response": True}}}},
            },
            "audio.input.turn_detection.create_response",
        ),
        (
            {
                "barge_in": {"min_speech_ms": 1},
                "session": {"audio": {"input": {"turn_detection": None}}},
            },
            "audio.input.turn_detection.create_response",
        ),
    ],
)
def test_what_session_may_not_change(fields: dict[str, Any], path: str) -> None:
    assert next(overreach(agent(**fields)))[0] == path


def test_saying_the_same_again_is_no_overreach() -> None:
    same = {"type": "realtime", "model": "gpt-realtime-2.1", "output_modalities": ["audio"]}
    assert not list(overreach(agent(session=same)))


@pytest.mark.parametrize("path", ["media-streams", "sip"])
def test_a_format_said_twice_is_not_said_on_the_sip_path(path: str) -> None:
    """A call goes by SIP, with the same agent, when the media path is full."""
    said = {"audio": {"input": {"format": PCM_24K}, "output": {"format": PCM_24K, "speed": 1.1}}}
    twice = agent(session=said)
    assert not list(overreach(twice))
    session = session_of(twice.model_copy(update={"path": path}))
    heard, spoken = audio_formats(session)
    assert (heard, spoken) == ((PCM_24K, PCM_24K) if path == "media-streams" else ({}, {}))
    assert session["audio"]["output"]["speed"] == 1.1


def test_a_format_is_overreach_on_the_sip_path() -> None:
    said = agent(path="sip", session={"audio": {"input": {"format": PCM_24K}}})
    assert [path for path, _ in overreach(said)] == ["audio.input.format"]


def test_the_essential_session_has_our_tools_and_the_files_turn_detection() -> None:
    detection = {"type": "semantic_vad", "eagerness": "low"}
    agent = Agent(
        name="desk",
        instructions="x",
        tools=["end_call"],
        session={"tracing": "auto", "audio": {"input": {"turn_detection": detection}}},
    )
    private = {"type": "function", "name": "shelf_stock", "parameters": {}}
    hosted = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example.com"}
    session = session_of(agent, [END_CALL, private, hosted])
    essential = essential_session(agent, session)
    assert [tool["name"] for tool in essential["tools"]] == ["end_call"]
    assert "tracing" not in essential
    assert essential["audio"] == session["audio"]
    assert essential_session(agent, essential) == essential


def test_the_essential_session_keeps_the_format_of_the_callers_line() -> None:
    """A browser's is PCM, whatever the agent has on the telephone."""
    desk = agent(audio="pcmu", session={"tracing": "auto"})
    session = session_of(desk.model_copy(update={"audio": "pcm24k"}))
    essential = essential_session(desk, session)
    assert essential["audio"]["input"]["format"] == PCM_24K
    assert essential["audio"]["output"]["format"] == PCM_24K


# --- A running session becomes another agent's ---


def test_a_change_takes_back_what_the_next_agent_leaves_out() -> None:
    before = session_of(agent(path="sip", **EVERYTHING), [END_CALL])
    plain = {"voice": {"id": "voice_1"}, "reasoning_effort": "low", "transcription": None}
    change = session_change(before, session_of(agent(path="sip", **plain)))
    assert change["type"] == "realtime"
    assert (change["tools"], change["tool_choice"]) == ([], "auto")
    assert (change["truncation"], change["max_output_tokens"]) == ("auto", "inf")
    assert change["audio"]["output"] == {"speed": 1.0}
    heard = change["audio"]["input"]
    assert (heard["noise_reduction"], heard["transcription"]) == (None, None)
    assert heard["turn_detection"]["silence_duration_ms"] == 500
    RealtimeSessionCreateRequest.model_validate(change)


def test_a_change_names_nothing_that_a_session_keeps() -> None:
    one, other = agent(path="sip"), agent(path="sip", model="gpt-realtime-2.1-mini", voice="cedar")
    change = session_change(session_of(one) | {"tracing": "auto"}, session_of(other))
    assert not {"model", "tracing"} & set(change)
    assert "voice" not in change["audio"]["output"]


def test_reasoning_can_be_changed_and_not_taken_back() -> None:
    low = session_of(agent(path="sip", reasoning_effort="low"))
    high = session_of(agent(path="sip", reasoning_effort="high"))
    assert session_change(low, high)["reasoning"] == {"effort": "high"}
    assert "reasoning" not in session_change(low, session_of(agent(path="sip")))


def test_a_change_has_the_server_answer_turns_again() -> None:
    """Only what is named changes: a flag that was set for the agent before would stay."""
    ours = Agent.model_validate(
        {"name": "a", "instructions": "x", "barge_in": {"min_speech_ms": 200}}
    )
    theirs = Agent(name="b", instructions="y")
    change = session_change(session_of(ours), session_of(theirs))
    detection = change["audio"]["input"]["turn_detection"]
    assert detection["create_response"] is detection["interrupt_response"] is True
    back = session_change(session_of(theirs), session_of(ours))
    detection = back["audio"]["input"]["turn_detection"]
    assert detection["create_response"] is detection["interrupt_response"] is False
