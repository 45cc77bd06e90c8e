"""An agent: its defaults, its bounds, and the rules between its fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.builtin_tools import END_CALL, definitions
from gateway.agents.config.agent import BUILT_IN_TOOLS, Agent, BargeIn, CustomVoice, ServerVad


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
        ("barge_in.min_speech_ms", 0, 2000, (-1, 2001)),
        ("barge_in.protect_greeting_ms", 0, 30_000, (-1, 30_001)),
        ("turn_detection.threshold", 0, 1, (-0.1, 1.1)),
        ("turn_detection.idle_timeout_ms", 5000, 30_000, (4999, 30_001)),
        ("turn_detection.silence_duration_ms", 0, 10_000, (-1, 10_001)),
        ("turn_detection.prefix_padding_ms", 0, 5000, (-1, 5001)),
    ],
)
def test_bounds(field: str, low: float, high: float, beyond: tuple[float, float]) -> None:
    outer, _, inner = field.partition(".")
    tag = {"type": "server_vad"} if outer == "turn_detection" else {}

    def build(value: object) -> Agent:
        return agent(**{outer: {inner: value} | tag if inner else value})

    assert build(low)
    assert build(high)
    for value in (*beyond, float("nan"), float("inf"), True, str(low)):
        with pytest.raises(ValidationError):
            build(value)


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
        (
            {"idle": {"nudge_after_s": 30, "end_after_s": 30}},
            "end_after_s",
            "must be more than nudge_after_s",
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
        {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}},
        {"audio": "opus"},
        {"path": "fax"},
        {"noise_reduction": {"type": "near_field", "strength": 11}},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
        {"max_output_tokens": "infinite"},
        {"reasoning_effort": "none"},
        {"colour": "red"},
    ],
)
def test_fields_that_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        agent(**fields)


def test_every_built_in_tool_is_defined() -> None:
    all_of_them = agent(
        tools=sorted(BUILT_IN_TOOLS),
        recording={"consent": "This call is recorded."},
        transfers={"desk": {"to": "+15550199"}},
        hand_over={"billing": "about an invoice"},
        secret_digits={"pin": {"http": {"url": "https://bank.example.com/pin"}}},
        payments={"bill": {"http": {"url": "https://bank.example.com/card"}}},
    )
    assert {tool["name"] for tool in definitions(all_of_them)} == BUILT_IN_TOOLS
    assert definitions(agent(tools=["end_call"])) == [END_CALL]


def test_the_model_may_transfer_to_the_named_ones_only() -> None:
    people = {"desk": {"to": "+15550199", "description": "for bookings"}}
    (tool,) = definitions(agent(tools=["transfer"], transfers=people))
    assert tool["parameters"]["properties"]["target"]["enum"] == ["desk"]
    assert "desk: for bookings" in tool["description"]
    assert "+15550199" not in str(tool)


def test_the_model_may_hand_over_to_the_named_ones_only() -> None:
    (tool,) = definitions(agent(tools=["hand_over"], hand_over={"billing": "about an invoice"}))
    assert tool["parameters"]["properties"]["agent"]["enum"] == ["billing"]
    assert "billing: about an invoice" in tool["description"]


@pytest.mark.parametrize("fields", [{"tools": ["hand_over"]}, {"hand_over": {"a": "always"}}])
def test_hand_over_needs_somebody_and_somebody_needs_hand_over(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="goes with `hand_over`"):
        agent(**fields)


@pytest.mark.parametrize(
    "fields", [{"tools": ["transfer"]}, {"transfers": {"a": {"to": "+15550199"}}}]
)
def test_transfer_needs_somebody_and_somebody_needs_transfer(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="goes with `transfer`"):
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
