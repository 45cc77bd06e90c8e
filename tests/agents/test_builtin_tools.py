"""Built-in tools as the model gets them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.agents.builtin_tools import END_CALL, definitions
from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_names import BUILT_IN_TOOLS


def agent(**fields: Any) -> Agent:
    return Agent.model_validate({"name": "desk", "instructions": "Be kind."} | fields)


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


def test_tools_stand_in_the_order_of_the_file_without_functions() -> None:
    schema = {"type": "object", "properties": {}}
    stock = {
        "description": "Look up.",
        "parameters": schema,
        "http": {"url": "https://api.example.com/"},
    }
    mixed = agent(tools=["take_message", "stock", "end_call"], functions={"stock": stock})
    assert [tool["name"] for tool in definitions(mixed)] == ["take_message", "end_call"]


@pytest.mark.parametrize(("mode", "asked"), [("cold", ["target"]), ("warm", ["target", "summary"])])
def test_only_a_warm_transfer_asks_for_a_summary(mode: str, asked: list[str]) -> None:
    people = {"desk": {"to": "+15550199", "mode": mode}}
    (tool,) = definitions(agent(tools=["transfer"], transfers=people))
    parameters = tool["parameters"]
    assert (list(parameters["properties"]), parameters["required"]) == (asked, asked)
    assert tool["description"].endswith("in the same answer."), "nothing is known of the desk"


@pytest.mark.parametrize(
    ("tool_name", "key"), [("collect_digits", "secret_digits"), ("take_payment", "payments")]
)
def test_the_model_may_ask_for_the_named_secrets_only(tool_name: str, key: str) -> None:
    inputs = {
        "pin": {"http": {"url": "https://bank.example.com/pin"}, "description": "four digits"},
        "other": {"http": {"url": "https://bank.example.com/other"}},
    }
    (tool,) = definitions(agent(tools=[tool_name], **{key: inputs}))
    assert tool["name"] == tool_name
    assert tool["parameters"]["properties"]["what"]["enum"] == ["pin", "other"]
    assert tool["description"].endswith(" pin: four digits.")
    assert "bank.example.com" not in str(tool)


def test_every_definition_is_closed_and_requires_only_what_it_has() -> None:
    simple = ["end_call", "send_text", "request_photo", "take_message", "send_digits"]
    for tool in definitions(agent(tools=[*simple, "switch_language"])):
        parameters = tool["parameters"]
        assert (tool["type"], parameters["type"]) == ("function", "object")
        assert parameters["additionalProperties"] is False
        assert set(parameters.get("required", [])) <= set(parameters["properties"])
