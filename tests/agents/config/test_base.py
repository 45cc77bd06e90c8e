"""Rules that every part of the agents file has."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import ValidationError

from gateway.agents.config.base import AgentFilePart, none_for, suggestion, wrong


class Inner(AgentFilePart):
    seconds: float = 1.0


class Outer(AgentFilePart):
    inner: Annotated[Inner | None, none_for(Inner)] = Inner()
    count: int = 0


def test_the_word_none_takes_a_part_away() -> None:
    assert Outer().inner == Inner()
    assert Outer.model_validate({"inner": "none"}).inner is None
    assert Outer.model_validate({"inner": None}).inner is None
    with pytest.raises(ValidationError):
        Outer.model_validate({"inner": "some"})
    offered = Outer.model_json_schema()["properties"]["inner"]["anyOf"]
    assert {"const": "none", "type": "string"} in offered


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": "red"},
        {"count": "1"},
        {"count": True},
        {"inner": {"seconds": float("nan")}},
        {"inner": {"seconds": float("inf")}},
    ],
)
def test_unknown_keys_other_types_and_numbers_that_are_none_are_refused(
    fields: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(fields)


def test_a_part_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer().count = 2  # type: ignore[misc] # this is what is refused


def test_a_broken_rule_has_its_key_and_its_sentence_with_braces_in_it() -> None:
    error = wrong("http.url", "{name} must be a property")
    assert error.message() == "{name} must be a property"
    assert (error.type, error.context and error.context["key"]) == ("rule", "http.url")


def test_a_word_that_is_almost_known_is_suggested() -> None:
    assert suggestion("transfr", ["transfer", "end_call"]) == " (did you mean transfer?)"
    assert suggestion("fly", ["transfer", "end_call"]) == ""
    assert suggestion("transfer", []) == ""
