"""What we say to the model, as the vendor's own types read it; nothing that they do not know."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from inspect import isfunction
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel, TypeAdapter

from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.session import session_of
from gateway.protocols import realtime_client as wire
from gateway.protocols import realtime_items as items

_vendor: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
AGENT = Agent(name="desk", instructions="Be kind.", tools=["end_call"])
SESSION = session_of(AGENT, definitions(AGENT))


def unknown_fields(part: Any, path: str = "") -> Iterator[str]:
    if isinstance(part, BaseModel):
        yield from (f"{path}.{name}" for name in part.model_extra or {})
        for name in part.model_fields_set:
            yield from unknown_fields(getattr(part, name, None), f"{path}.{name}")
    elif isinstance(part, list):
        for at, element in enumerate(part):
            yield from unknown_fields(element, f"{path}[{at}]")


SAID = {
    "append": (wire.append(b"\x01\x02"), {"audio": "AQI="}),
    "session.update": (wire.session_update(SESSION, "e"), {"session": SESSION}),
    "response.create": (wire.response_create("e"), {}),
    "response.create in words": (
        wire.response_create("e", {"instructions": "Hi.", "tool_choice": "none"}),
        {"response": {"instructions": "Hi.", "tool_choice": "none"}},
    ),
    "response.create empty": (wire.response_create("e", {}), {}),
    "response.cancel": (wire.response_cancel("e"), {}),
    "response.cancel of one": (wire.response_cancel("e", "resp_1"), {"response_id": "resp_1"}),
    "a user's text": (
        wire.item_create(items.user_text("Hi."), "e"),
        {
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi."}],
            }
        },
    ),
    "a system's text": (
        wire.item_create(items.system_text("Hi."), "e"),
        {
            "item": {
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": "Hi."}],
            }
        },
    ),
    "an assistant's text": (
        wire.item_create(items.assistant_text("Hi."), "e"),
        {
            "item": {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi."}],
            }
        },
    ),
    "a tool's output": (
        wire.item_create(items.function_output("call_1", ""), "e"),
        {"item": {"type": "function_call_output", "call_id": "call_1", "output": ""}},
    ),
    "an approval": (
        wire.item_create(items.mcp_approval("ours_1", "mcpr_1", False, "Nobody said yes."), "e"),
        {
            "item": {
                "type": "mcp_approval_response",
                "id": "ours_1",
                "approval_request_id": "mcpr_1",
                "approve": False,
                "reason": "Nobody said yes.",
            }
        },
    ),
    "item.delete": (wire.item_delete("item_1", "e"), {"item_id": "item_1"}),
    "item.truncate": (
        wire.item_truncate("item_1", 0, "e"),
        {"item_id": "item_1", "content_index": 0, "audio_end_ms": 0},
    ),
    "input commit": (wire.input_commit("e"), {}),
    "input clear": (wire.input_clear("e"), {}),
    "output clear": (wire.output_clear("e"), {}),
}


@pytest.mark.parametrize("name", SAID)
def test_it_is_an_event_of_the_vendors_and_says_what_was_meant(name: str) -> None:
    data, said = SAID[name]
    event = _vendor.validate_json(data)
    assert not list(unknown_fields(event))
    plain = json.loads(data)
    kind = plain.pop("type")
    assert kind == event.type
    assert plain.pop("event_id", None) == (None if name == "append" else "e")
    assert plain == said


def test_the_oracle_sees_a_field_that_ga_does_not_have() -> None:
    beta = _vendor.validate_json(b'{"type":"response.create","response":{"modalities":["text"]}}')
    assert list(unknown_fields(beta)) == [".response.modalities"]


def test_every_function_of_the_module_is_tried() -> None:
    kinds = {json.loads(data)["type"] for data, _ in SAID.values()}
    vendors = {
        get_args(arm.model_fields["type"].annotation)[0]
        for arm in get_args(get_args(RealtimeClientEvent)[0])
    }
    assert kinds <= vendors
    assert len(kinds) == len([name for name in vars(wire) if _speaks(name)])


def _speaks(name: str) -> bool:
    return isfunction(getattr(wire, name)) and getattr(wire, name).__module__ == wire.__name__


@given(audio=st.binary())
@settings(deadline=None)
def test_no_sound_is_lost_on_the_way(audio: bytes) -> None:
    assert base64.b64decode(json.loads(wire.append(audio))["audio"]) == audio


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@settings(deadline=None)
def test_no_word_is_lost_on_the_way(text: str) -> None:
    event = json.loads(wire.item_create(items.function_output(text, text), text))
    assert (event["item"]["call_id"], event["item"]["output"], event["event_id"]) == (text,) * 3


def test_the_same_session_is_the_same_bytes() -> None:
    """The vendor caches by prefix."""
    assert wire.session_update(SESSION, "e") == wire.session_update(dict(SESSION), "e")
