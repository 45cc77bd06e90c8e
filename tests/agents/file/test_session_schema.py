"""The strict check against the `openai` package's types."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import ValidationError
from search import draws, search

from gateway.agents.file.session_schema import SessionSchema


@cache
def schema() -> SessionSchema:
    return SessionSchema()


def found(**session: Any) -> list[tuple[str, str]]:
    checked = schema().problems({"type": "realtime"} | session)
    return [(".".join(map(str, path)), problem) for path, problem in checked]


@pytest.mark.parametrize(
    ("session", "path", "problem"),
    [
        (
            {"modalities": ["audio"]},
            "modalities",
            "was part of the beta protocol: it is output_modalities now",
        ),
        (
            {"voice": "marin"},
            "voice",
            "was part of the beta protocol: it is audio.output.voice now",
        ),
        (
            {"input_audio_format": "g711_ulaw"},
            "input_audio_format",
            "was part of the beta protocol: it is audio.input.format now",
        ),
        (
            {"temperature": 0.8},
            "temperature",
            "was part of the beta protocol and is gone: remove it",
        ),
        ({"instruction": "x"}, "instruction", "is unknown here (did you mean instructions?)"),
        ({"xyzzy": 1}, "xyzzy", "is unknown here"),
        ({"type": "transcription"}, "type", "must be realtime"),
        ({"instructions": 5}, "instructions", "must be text"),
        ({"audio": []}, "audio", "must be an object"),
        ({"audio": {"inputs": {}}}, "audio.inputs", "is unknown here (did you mean input?)"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}},
            "audio.input.format.rate",
            "must be 24000",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
            "audio.input.format.rate",
            "is unknown here",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}},
            "audio.input.turn_detection.threshold",
            "is unknown here",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": "high"}}}},
            "audio.input.turn_detection.threshold",
            "must be a number",
        ),
        (
            {"audio": {"input": {"turn_detection": {}}}},
            "audio.input.turn_detection.type",
            "is missing",
        ),
        ({"audio": {"output": {"speed": True}}}, "audio.output.speed", "must be a number"),
        ({"audio": {"output": {"speed": float("nan")}}}, "audio.output.speed", "must be a number"),
        (
            {"audio": {"output": {"voice": {"name": "x"}}}},
            "audio.output.voice.name",
            "is unknown here",
        ),
        ({"output_modalities": ["video"]}, "output_modalities.0", "must be text or audio"),
        ({"max_output_tokens": 1.5}, "max_output_tokens", "must be a whole number"),
        ({"tools": [{"type": "function", "strict": True}]}, "tools.0.strict", "is unknown here"),
        ({"tools": [{"type": "mcp"}]}, "tools.0.server_label", "is missing"),
        (
            {"tools": [{"type": "mcp", "server_label": "x", "headers": {"a": 1}}]},
            "tools.0.headers.a",
            "must be text",
        ),
        (
            {"tracing": {"workflow": "x"}},
            "tracing.workflow",
            "is unknown here (did you mean workflow_name?)",
        ),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name", "is missing"),
    ],
)
def test_problems(session: dict[str, Any], path: str, problem: str) -> None:
    assert (path, problem) in found(**session)


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"audio": {"input": {"turn_detection": None, "noise_reduction": None}}},
        {"audio": {"output": {"voice": {"id": "voice_1"}, "speed": 1}}},
        {
            "tools": [
                {
                    "type": "mcp",
                    "server_label": "x",
                    "require_approval": {"never": {"tool_names": ["a"]}},
                }
            ]
        },
        {"tool_choice": {"type": "function", "name": "end_call"}},
        {"tracing": {"workflow_name": "calls", "metadata": {"any": ["thing"]}}},
        {"prompt": {"id": "pmpt_1", "variables": {"city": "Fez"}}},
        {"max_output_tokens": "inf", "parallel_tool_calls": True, "truncation": "disabled"},
    ],
)
def test_what_is_right_passes(session: dict[str, Any]) -> None:
    assert not found(**session)


WHOLE: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": {"type": "near_field", "strength": 0.5},
            "transcription": {"model": "gpt-transcribe", "languages": ["en"]},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "create_response": True},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "voice_1"}, "speed": 1.5},
    },
    "max_output_tokens": 100,
    "reasoning": {"effort": "low"},
    "tools": [
        {"type": "function", "name": "a", "parameters": {}},
        {"type": "mcp", "server_label": "x", "require_approval": {"never": {"tool_names": ["a"]}}},
    ],
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in it."""
    entries: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    inner = [place for _, item in entries for place in places(item)]
    return [(value, key) for key, _ in entries] + inner


TEXTS = ["", "auto", "inf", "low", "semantic_vad", "audio/pcma"]
PLAIN = [None, True, 0, 1, -1, 24000, 0.5]
NESTED = [[], {}, ["a"], {"type": "auto"}, {"id": 1}, [None]]
WRONG = st.sampled_from([*TEXTS, *PLAIN, *NESTED])


def test_the_whole_passes() -> None:
    assert not found(**WHOLE)


@search
@settings(max_examples=draws(100))
@given(st.integers(0, len(places(WHOLE)) - 1), WRONG)
def test_what_passes_here_passes_there(index: int, value: Any) -> None:
    """Never laxer than pydantic on the same types, whatever stands in any one place."""
    session = deepcopy(WHOLE)
    container, key = places(session)[index]
    container[key] = value
    if not list(schema().problems(session)):
        try:
            RealtimeSessionCreateRequest.model_validate(session)
        except ValidationError as error:
            pytest.fail(str(error))


@given(st.integers(0, len(places(WHOLE)) - 1))
def test_an_unknown_field_is_found_anywhere(index: int) -> None:
    """Except in a tool's parameters, which are the tool's own."""
    session = deepcopy(WHOLE)
    container, key = places(session)[index]
    if isinstance(container, dict) and "parameters" not in (key, *container):
        container["xyzzy"] = 1
        assert [path[-1] for path, _ in schema().problems(session)] == ["xyzzy"]
