"""Steps of the caller."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.simulator.scenario.steps import GENERATED, KINDS, CallerStep


def test_steps_may_be_bare_words() -> None:
    steps = [CallerStep.model_validate(it) for it in ("hear", {"hear": None}, "hang_up")]
    assert [step.kind for step in steps] == ["hear", "hear", "hang_up"]


def test_every_kind_is_a_key_of_a_step() -> None:
    assert set(KINDS) == set(CallerStep.model_fields)


def test_a_step_is_one_thing() -> None:
    with pytest.raises(ValidationError, match="exactly one of"):
        CallerStep.model_validate({"say": "hi", "press": "1"})


def test_a_text_may_have_one_photo() -> None:
    step = CallerStep.model_validate({"text": {"photo": GENERATED}})
    assert step.photos == [GENERATED]
