"""The schema of a result: what the loader takes, and what fits it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.result import ResultSchema

REASON = {"type": "object", "properties": {"reason": {"type": "string"}}}


def agent(**keys: Any) -> Agent:
    return Agent.model_validate({"name": "front", "instructions": "Answer.", **keys})


def test_an_agent_may_ask_for_a_result() -> None:
    result = agent(result=REASON).result
    assert result is not None
    assert result.fields == ("reason",)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "type: object"),
        ({"type": "string"}, "type: object"),
        ({"type": "object"}, "properties"),
        ({"type": "object", "properties": {}}, "1 to"),
        ({"type": "object", "properties": {"a": {"type": "strnig"}}}, "is no JSON schema"),
        (
            {"type": "object", "properties": {f"f{n}": {} for n in range(99)}},
            str(limits.results.FIELDS_MAX),
        ),
        (
            {"type": "object", "properties": {"a": {"description": "x" * 20_000}}},
            str(limits.results.SCHEMA_MAX_BYTES),
        ),
        ({"type": "object", "properties": {"a": {"$ref": "http://example.com/x"}}}, "schema"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "refers to itself"),
    ],
)
def test_a_schema_that_cannot_serve_is_refused(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        agent(result=schema)


def test_a_result_rests_on_the_callers_words() -> None:
    with pytest.raises(ValidationError, match="needs transcription"):
        agent(result=REASON, transcription="none")


def test_what_a_call_did_not_bring_up_is_null_whatever_is_required() -> None:
    schema = ResultSchema.model_validate(
        REASON | {"required": ["reason"], "additionalProperties": False}
    )
    assert schema.problem({"reason": None}) is None
    assert schema.problem({"reason": "invoice"}) is None
    assert schema.problem({"reason": 7}) == 'reason: 7 is not of type "string"'
