"""Secret inputs in the agents file."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.config.secret_input import SecretRequest

HTTP = {"http": {"url": "https://bank.example.com/pin"}}


def agent(**fields: Any) -> Agent:
    return Agent.model_validate({"name": "bank", "instructions": "Be kind."} | fields)


def test_the_model_may_ask_for_the_named_ones_only() -> None:
    pin = HTTP | {"description": "the PIN"}
    (tool,) = definitions(agent(tools=["collect_digits"], secret_digits={"pin": pin}))
    assert tool["parameters"]["properties"]["what"]["enum"] == ["pin"]
    assert "pin: the PIN" in tool["description"]
    (tool,) = definitions(agent(tools=["take_payment"], payments={"bill": HTTP}))
    assert tool["name"] == "take_payment"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": ["collect_digits"]},
        {"secret_digits": {"pin": HTTP}},
        {"tools": ["take_payment"]},
        {"payments": {"bill": HTTP}},
    ],
)
def test_a_tool_and_what_it_asks_for_go_together(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="goes with"):
        agent(**fields)


@pytest.mark.parametrize(
    "http",
    [
        {"url": "https://bank.example.com/{digits}"},
        {"url": "https://bank.example.com/pin#x"},
        {"url": "https://bank.example.com/", "secret": "whsec_in_the_file"},
        {"url": "https://bank.example.com/", "timeout_s": 11},
        {"url": "https://bank.example.com/", "method": "GET"},
    ],
)
def test_digits_stand_in_no_address_and_secrets_not_in_the_file(http: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        agent(tools=["collect_digits"], secret_digits={"pin": {"http": http}})


def test_names_are_plain() -> None:
    with pytest.raises(ValidationError, match="must be a name"):
        agent(tools=["collect_digits"], secret_digits={"my pin": HTTP})


def test_an_answer_comes_before_the_carrier_gives_up() -> None:
    assert SecretRequest(url="https://a.example/").timeout_s == 6
    assert SecretRequest(url="https://a.example/", timeout_s=10).timeout_s == 10
    for timeout_s in (0, 10.1):
        with pytest.raises(ValidationError):
            SecretRequest(url="https://a.example/", timeout_s=timeout_s)


def test_an_input_is_found_by_its_kind() -> None:
    bank = agent(tools=["collect_digits"], secret_digits={"pin": HTTP})
    assert bank.secret_input("digits", "pin") is bank.secret_digits["pin"]
    assert bank.secret_input("payment", "pin") is None
