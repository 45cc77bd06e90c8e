"""Validation by the vendor's types names one parameter, in the union's arm that is meant."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.realtime import (
    ConversationItemCreateEvent,
    ResponseCreateEvent,
    SessionUpdateEvent,
)

from gateway.simulator.openai.realtime.validation import InvalidValue, check

ITEM = {"type": "message", "role": "user"}


@pytest.mark.parametrize(
    ("shape", "value", "code", "param"),
    [
        (SessionUpdateEvent, {"session": {"type": "realtime", "voice": "x"}},
         "unknown_parameter", "session.voice"),
        (SessionUpdateEvent, {"session": {"type": "nope"}}, "invalid_value", "session.type"),
        (SessionUpdateEvent, {"session": 3}, "invalid_type", "session"),
        (SessionUpdateEvent,
         {"session": {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x", "y": 1}]}},
         "unknown_parameter", "session.tools[0].y"),
        (SessionUpdateEvent,
         {"session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "x"}}}}},
         "invalid_value", "session.audio.input.turn_detection.type"),
        (ConversationItemCreateEvent,
         {"item": {**ITEM, "content": [{"type": "output_text", "text": "x"}]}},
         "invalid_value", "item.content[0].type"),
        (ConversationItemCreateEvent, {"item": {**ITEM, "role": "bot", "content": []}},
         "invalid_value", "item.role"),
        (ConversationItemCreateEvent, {"item": {"type": "nothing"}}, "invalid_value", "item.type"),
        (ResponseCreateEvent, {"response": {"tool_choice": "never"}},
         "invalid_value", "response.tool_choice"),
        (ResponseCreateEvent, {"response": {"tool_choice": {"type": "function"}}},
         "missing_required_parameter", "response.tool_choice.name"),
        (ResponseCreateEvent, {"response": {"max_output_tokens": True}},
         "invalid_type", "response.max_output_tokens"),
    ],
)  # fmt: skip
def test_one_parameter_is_named(shape: Any, value: dict[str, Any], code: str, param: str) -> None:
    kind = shape.model_fields["type"].annotation.__args__[0]
    with pytest.raises(InvalidValue) as refused:
        check({"type": kind, **value}, shape)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert "None" not in refused.value.message


def test_every_value_that_is_supported_is_named() -> None:
    event = {"type": "conversation.item.create", "item": {**ITEM, "role": "bot", "content": []}}
    with pytest.raises(InvalidValue, match="'system', 'user', 'assistant'"):
        check(event, ConversationItemCreateEvent)


def test_numbers_are_strict_and_whole_ones_are_numbers() -> None:
    vad = {"type": "server_vad", "threshold": 1}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": vad}}}
    check({"type": "session.update", "session": session}, SessionUpdateEvent)
    vad["threshold"] = "1"
    with pytest.raises(InvalidValue) as refused:
        check({"type": "session.update", "session": session}, SessionUpdateEvent)
    assert refused.value.param == "session.audio.input.turn_detection.threshold"
