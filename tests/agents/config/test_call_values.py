"""Values of the call in requests: which there are, and how they are put in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.call_values import check_call_values, filled_json, with_call_values
from gateway.agents.config.tool_options import FunctionTool

KNOWN = {"call.sid": "CA1", "call.facts.tier": "gold"}


def value(name: str) -> str:
    return KNOWN.get(name, "")


@pytest.mark.parametrize(
    "text",
    ["{call.sid}", "{call.facts.tier}", "{call.facts.tier|none}", "{tea}", "{}", "{calling}"],
)
def test_what_there_is(text: str) -> None:
    assert check_call_values(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "{call}",
        "{call.}",
        "{call.number}",
        "{call.facts}",
        "{call.facts.}",
        "{call.facts.9}",
        "{Call.sid}",
        "{ call.sid }",
        "{call.sid",
        "{facts.tier|x}",
        "{call.sid|a|b}",
    ],
)
def test_what_there_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="is no value of a call"):
        check_call_values(text)


def test_each_is_put_in_and_a_default_where_it_is_missing() -> None:
    text = "{call.sid}/{call.facts.tier}/{call.caller|-}/{call.facts.none}/{tea}"
    assert with_call_values(text, value) == "CA1/gold/-//{tea}"
    assert with_call_values("{call.caller|a b}", value, lambda one: one.replace(" ", "+")) == "a+b"


def test_a_body_is_filled_in_all_its_texts_and_nothing_else() -> None:
    body = {"call": {"sid": "{call.sid}", "tags": ["{call.facts.tier}", 1, None, True]}}
    filled = {"call": {"sid": "CA1", "tags": ["gold", 1, None, True]}}
    assert filled_json(body, value) == filled


def function(http: dict[str, Any], properties: tuple[str, ...] = ()) -> FunctionTool:
    schema = {"type": "object", "properties": {name: {} for name in properties}}
    fields = {"description": "Asks.", "parameters": schema}
    return FunctionTool.model_validate({**fields, "http": {"url": "https://a.example/", **http}})


@pytest.mark.parametrize(
    ("http", "properties", "problem"),
    [
        ({"url": "https://a.example/{call.number}"}, (), "is no value of a call"),
        ({"headers": {"X-From": "{call.number}"}}, (), "is no value of a call"),
        ({"method": "POST", "body": {"a": ["{call.number}"]}}, (), "is no value of a call"),
        ({"body": {"a": 1}}, (), "does not go with method GET"),
        ({"method": "POST", "body": {"a": [{"{call.sid}": 1}]}}, (), "as a name: only values"),
        ({"method": "POST", "body": {"tea": 1}}, ("tea",), "only one can set it"),
        ({}, ("call.sid",), "names a value of the call"),
        ({"url": "https://{call.facts.host}/"}, (), "should match pattern"),
    ],
)
def test_what_is_refused_at_load(
    http: dict[str, Any], properties: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        function(http, properties)


def test_a_value_of_the_call_is_no_argument() -> None:
    made = function({"url": "https://a.example/{call.sid}?of={call.facts.tier|none}"})
    assert made.http is not None
    assert made.http.in_url == frozenset()
