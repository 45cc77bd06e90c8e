"""Errors of scenarios: the sentence, the line and the key of the first mistake."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.errors import ScenarioError
from gateway.simulator.scenario.errors import line_of, scenario_error

TEXT = """\
name: lunch
steps:
  - say: hello
    wait_s: 1
  - say: bye
"""


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    say: Annotated[str, Field(pattern="[a-z]+")]
    wait_s: float = 0

    @field_validator("wait_s")
    @classmethod
    def _short(cls, wait_s: float) -> float:
        if wait_s > 60:
            raise ValueError("Waits are a minute at the most")
        return wait_s


class Story(BaseModel):
    name: str
    steps: Annotated[list[Step], Field(min_length=1)]
    by: Literal["caller", "model"] = "caller"
    pace: dict[Literal["slow"], int] = {}


def error_of(text: str) -> ScenarioError:
    with pytest.raises(ValidationError) as refused:
        Story.model_validate(yaml.safe_load(text))
    return scenario_error("lunch.yaml", yaml.compose(text, yaml.SafeLoader), refused.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("say: bye", "say: BYE", "lunch.yaml:5: steps.2.say: must fit [a-z]+"),
        ("say: bye", "says: bye", "lunch.yaml:5: steps.2.say: is missing"),
        ("say: bye", "say: bye\n    loud: 1", "lunch.yaml:6: steps.2.loud: is not a key that"),
        ("wait_s: 1", "wait_s: soon", "lunch.yaml:4: steps.1.wait_s: must be a number"),
        ("wait_s: 1", "wait_s: 61", "lunch.yaml:4: steps.1.wait_s: waits are a minute at the most"),
        ("name: lunch", "name: 5", "lunch.yaml:1: name: must be text"),
        ("name: lunch", "name: a\nby: nobody", "lunch.yaml:2: by: must be 'caller' or 'model'"),
        ("name: lunch", "name: a\npace: {fast: 1}", "lunch.yaml:2: pace.fast: must be 'slow'"),
        ("name: lunch\n", "", "lunch.yaml:1: name: is missing"),
    ],
)
def test_the_first_mistake_has_its_line_and_key(old: str, new: str, told: str) -> None:
    assert str(error_of(TEXT.replace(old, new))).startswith(told)


def test_an_empty_list_and_a_file_that_is_none() -> None:
    assert str(error_of("name: a\nsteps: []")) == "lunch.yaml:2: steps: must not be empty"
    assert "must be keys and values" in str(error_of("- 1"))
    with pytest.raises(ValidationError) as refused:
        Story.model_validate(None)
    assert str(scenario_error("lunch.yaml", None, refused.value)).startswith("lunch.yaml: must be")


def test_of_what_the_file_does_not_have_the_nearest_line_is_shown() -> None:
    node = yaml.compose(TEXT, yaml.SafeLoader)
    assert line_of(node, ["steps", 1, "wait_s"]) == 5
    assert line_of(node, ["steps", 2]) == 2
    assert line_of(node, []) == 1
    assert line_of(None, ["steps"]) is None
