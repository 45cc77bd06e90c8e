"""An agent: its defaults, its bounds, and the rules between its fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.agent import Agent
from gateway.agents.config.interaction import BargeIn
from gateway.agents.config.session_options import CustomVoice, ServerVad


def agent(**fields: Any) -> Agent:
    return Agent.model_validate({"name": "desk", "instructions": "Be kind."} | fields)


def test_defaults() -> None:
    desk = agent()
    assert desk.turn_detection == ServerVad(silence_duration_ms=500)
    assert (desk.path, desk.audio, desk.lead_ms) == ("media-streams", "pcm24k", 1000)
    assert (desk.idle.nudge_after_s, desk.idle.end_after_s, desk.max_call_s) == (15, 30, 1800)
    assert desk.greeting is None
    assert not desk.client_turns


@pytest.mark.parametrize(
    ("barge_in", "client_turns"),
    [({}, False), ({"min_speech_ms": 200}, True), ({"protect_greeting_ms": 1}, True)],
)
def test_who_decides_on_turns(barge_in: dict[str, int], client_turns: bool) -> None:
    assert agent(barge_in=barge_in).client_turns is client_turns
    assert (
        Agent(name="a", instructions="x", barge_in=BargeIn(**barge_in)).client_turns is client_turns
    )


def test_short_forms() -> None:
    assert agent(turn_detection="none").turn_detection is None
    assert agent(turn_detection=None).turn_detection is None
    assert agent(turn_detection="semantic_vad").turn_detection.type == "semantic_vad"  # type: ignore[union-attr]
    assert agent(noise_reduction="far_field").noise_reduction.type == "far_field"  # type: ignore[union-attr]
    assert agent(voice={"id": "voice_1"}).voice == CustomVoice(id="voice_1")


@pytest.mark.parametrize(
    ("field", "low", "high", "beyond"),
    [
        ("max_call_s", 5, 14_100, (4, 14_101)),
        ("lead_ms", 200, 5000, (199, 5001)),
        ("speed", 0.25, 1.5, (0.2, 1.6)),
        ("max_output_tokens", 1, 4096, (0, 4097)),
        ("spend_usd", 0.01, 1000, (0.009, 1000.01)),
        ("retain_days", 1, 3650, (0, 3651)),
    ],
)
def test_bounds(field: str, low: float, high: float, beyond: tuple[float, float]) -> None:
    assert agent(**{field: low})
    assert agent(**{field: high})
    for value in (*beyond, float("nan"), float("inf"), True, str(low)):
        with pytest.raises(ValidationError):
            agent(**{field: value})


@pytest.mark.parametrize(
    ("fields", "key", "problem"),
    [
        ({"tools": ["fly"]}, "tools.0", "fly is no tool: there are collect_digits"),
        ({"tools": ["end_call", "end_call"]}, "tools.1", "stands here twice"),
        ({"path": "sip", "audio": "pcmu"}, "audio", "does not go with path: sip"),
        ({"path": "sip", "lead_ms": 500}, "lead_ms", "does not go with path: sip"),
        (
            {"barge_in": {"min_speech_ms": 1}, "turn_detection": "none"},
            "barge_in",
            "needs turn_detection",
        ),
        (
            {
                "barge_in": {"min_speech_ms": 1},
                "turn_detection": {"type": "server_vad", "create_response": True},
            },
            "turn_detection.create_response",
            "does not go with barge_in above 0",
        ),
        (
            {
                "barge_in": {"protect_greeting_ms": 1},
                "turn_detection": {"type": "semantic_vad", "interrupt_response": False},
            },
            "turn_detection.interrupt_response",
            "does not go with barge_in above 0",
        ),
    ],
)
def test_rules_between_fields(fields: dict[str, Any], key: str, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        agent(**fields)
    (details,) = refused.value.errors()
    assert details["ctx"]["key"] == key
    assert details["msg"].startswith(problem)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "front desk"},
        {"name": "a" * 65},
        {"name": "-a"},
        {"language": "english please"},
        {"language": "en_US"},
        {"greeting": ""},
        {"instructions": ""},
        {"voice": ""},
        {"voice": 5},
        {"turn_detection": "loud"},
        {"audio": "opus"},
        {"path": "fax"},
        {"max_output_tokens": "infinite"},
        {"reasoning_effort": "none"},
        {"colour": "red"},
    ],
)
def test_fields_that_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        agent(**fields)


@pytest.mark.parametrize("fields", [{"tools": ["hand_over"]}, {"hand_over": {"a": "always"}}])
def test_hand_over_needs_somebody_and_somebody_needs_hand_over(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="`hand_over` in `tools`"):
        agent(**fields)


@pytest.mark.parametrize(
    "fields", [{"tools": ["transfer"]}, {"transfers": {"a": {"to": "+15550199"}}}]
)
def test_transfer_needs_somebody_and_somebody_needs_transfer(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="`transfer` in `tools`"):
        agent(**fields)


def test_nobody_holds_where_no_sound_passes_through_us() -> None:
    http = {"url": "https://api.example.com/"}
    schema = {"type": "object", "properties": {}}
    stock = {"description": "x", "parameters": schema, "http": http, "hold": True}
    shop = {"via": "gateway", "url": "https://mcp.example.com/", "hold": True}
    for key, more in (
        ("functions.stock.hold", {"tools": ["stock"], "functions": {"stock": stock}}),
        ("mcp.shop.hold", {"mcp": {"shop": shop}}),
    ):
        assert list(agent(**more).hold_tone_keys) == [key]
        with pytest.raises(ValidationError, match="no sound passes through us") as refused:
            agent(**more, path="sip")
        assert refused.value.errors()[0]["ctx"]["key"] == key
