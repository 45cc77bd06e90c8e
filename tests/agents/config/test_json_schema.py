"""Schemas of the operator's: those that cannot be held against a stranger's words are refused."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import limits
from gateway.agents.config.json_schema import compiled

TREE = {"anyOf": [{"$ref": "#/$defs/and"}, {"$ref": "#/$defs/or"}]}
SELF_REFERRING: dict[str, dict[str, Any]] = {
    "root": {"properties": {"a": {"$ref": "#"}}},
    "condition tree": {
        "properties": {"where": TREE},
        "$defs": {"and": {"properties": {"and": TREE}}, "or": {"properties": {"or": TREE}}},
    },
    "property": {"properties": {"a": {"items": {"$ref": "#/properties/a"}}}},
    "list": {"allOf": [{"properties": {"a": {"$ref": "#/allOf/0"}}}]},
    "escaped": {"$defs": {"a/b~": {"items": {"$ref": "#/$defs/a~1b~0"}}}},
    "anchor": {"$defs": {"x": {"$anchor": "here", "items": {"$ref": "#here"}}}},
    "dynamic": {"$defs": {"x": {"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}}}},
    "circle": {"$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}},
}


@pytest.mark.parametrize("schema", SELF_REFERRING.values(), ids=SELF_REFERRING)
def test_a_schema_that_refers_to_itself_is_refused(schema: dict[str, Any]) -> None:
    """With each level that a stranger nests, the time for a condition tree doubles."""
    with pytest.raises(ValueError, match="refers to itself"):
        compiled({"type": "object", **schema})


def test_what_is_used_twice_is_no_circle() -> None:
    number = {"type": "number"}
    schema = {
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/n"}, "to": {"$ref": "#/$defs/n"}, "$ref": number},
        "$defs": {"n": number, "unused": {"enum": ["#"]}},
    }
    validator = compiled(schema)
    assert validator.is_valid({"from": 1, "to": 2, "$ref": 3})
    assert not validator.is_valid({"from": 1, "to": "two"})


@pytest.mark.parametrize(
    "part",
    [
        {"type": "strnig"},
        {"pattern": "("},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/nothing"},
    ],
)
def test_what_is_no_schema_is_refused_and_nothing_is_fetched(part: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no JSON schema"):
        compiled({"type": "object", "properties": {"a": part}})


def text_of(pattern: str) -> Any:
    return compiled({"properties": {"a": {"type": "string", "pattern": pattern}}})


def test_a_pattern_that_counts_is_held_against_a_long_text() -> None:
    """It took a minute, in which no call went on."""
    validator = text_of("(a{1,200}){1,200}$")
    assert not validator.is_valid({"a": "a" * (limits.tools.TOOL_ARGUMENTS_MAX_CHARS - 1) + "!"})
    assert text_of(r"^[\p{L} '-]{1,80}$").is_valid({"a": "Zoë O'Brien-Nuñez"})


def test_a_pattern_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="is no JSON schema"):
        text_of("(a{1,400}){1,400}$")
