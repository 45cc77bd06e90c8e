"""Errors of scenario and script files: a sentence, the line and the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import ScenarioError
from gateway.yaml_source import dotted

_PROBLEMS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not a key that is known here",
    "string_type": "must be text",
    "string_pattern_mismatch": "must fit {pattern}",
    "model_type": "must be keys and values",
    "model_attributes_type": "must be keys and values",
    "dict_type": "must be keys and values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
}


def scenario_error(
    file: Path | str, node: yaml.Node | None, error: ValidationError
) -> ScenarioError:
    """Return the first validation error; `node` is the parsed file."""
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if part != "[key]"]
    return ScenarioError(
        file, line_of(node, location), dotted(tuple(location)) or None, _problem(first)
    )


def _problem(details: ErrorDetails) -> str:
    known = _PROBLEMS.get(details["type"])
    if known is not None:
        return known.format(**details.get("ctx", {}))
    sentence = details["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return sentence[:1].lower() + sentence[1:]


def line_of(node: yaml.Node | None, location: Sequence[str | int]) -> int | None:
    """Return the line of the innermost part of a location that the file has."""
    line = node.start_mark.line + 1 if node else None
    for part in location:
        child = _child(node, part)
        if child is not None:
            line, node = child
    return line


def _child(node: yaml.Node | None, part: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
