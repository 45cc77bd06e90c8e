"""Arguments that a model made up: what is let through, and what the model is told instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway import limits
from gateway.errors import SettingsError
from gateway.tools.python import ToolContext
from gateway.tools.tool import InvalidArguments, Tool

CALL = ToolContext("CA1", "+21671000001", "+15550100", "bank", "CA1")
SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "name": {"type": "string", "pattern": "^a+$"}},
    "additionalProperties": False,
}


async def echo(arguments: Mapping[str, Any], context: ToolContext) -> str:
    return f"{context.call_sid} {json.dumps(arguments, ensure_ascii=False)}"


def tool(schema: dict[str, Any] = SCHEMA, *, validated: bool = True) -> Tool:
    return Tool({"name": "count", "parameters": schema}, 5.0, echo, validated=validated)


async def problem(text: str, *, validated: bool = True) -> str:
    with pytest.raises(InvalidArguments) as refused:
        await tool(validated=validated).use(text, CALL)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "arguments"), [('{"count": 3}', '{"count": 3}'), ("", "{}"), ("{}", "{}")]
)
async def test_what_fits_is_run(text: str, arguments: str) -> None:
    assert await tool().use(text, CALL) == f"CA1 {arguments}"


@pytest.mark.parametrize(
    "text",
    ["{", "NaN", '{"count": Infinity}', '{"name": "\\ud800"}', "[" * 100_000],
)
@pytest.mark.parametrize("validated", [True, False])
async def test_what_is_not_json_is_not_run(text: str, validated: bool) -> None:
    assert await problem(text, validated=validated) == "Wrong arguments: they are not JSON."


async def test_arguments_have_a_bound() -> None:
    most = limits.tools.TOOL_ARGUMENTS_MAX_CHARS
    longest = '{"name": "' + "a" * (most - 12) + '"}'
    assert len(longest) == most
    assert await tool().use(longest, CALL)
    assert "not JSON" in await problem(longest + " ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"count": "3"}', 'Wrong arguments: count: "3" is not of type "integer".'),
        ('{"name": "b"}', "Wrong arguments: name: "),
        ('{"more": 1}', "Wrong arguments: arguments: "),
        ("[1]", "Wrong arguments: arguments: "),
    ],
)
async def test_what_does_not_fit_is_told_with_its_place(text: str, words: str) -> None:
    assert (await problem(text)).startswith(words)


async def test_a_problem_is_told_shortly() -> None:
    assert len(await problem(json.dumps({"name": "b" * 5000}))) < 400


async def test_the_schema_of_an_mcp_server_is_left_to_it() -> None:
    assert await tool(validated=False).use('{"count": "3"}', CALL) == 'CA1 {"count": "3"}'
    assert await problem("[1]", validated=False) == "Wrong arguments: they are not an object."


async def test_a_pattern_takes_time_by_the_length_of_the_text_only() -> None:
    """A pattern that goes back and forth would be busy until the end of the world here."""
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}
    with pytest.raises(InvalidArguments):
        await tool(schema).use(json.dumps({"name": "a" * 5000 + "b"}), CALL)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {"properties": {"a": {"pattern": "("}}},
    ],
)
def test_a_schema_that_is_none_refuses_to_start(schema: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="function count: parameters "):
        tool(schema)
