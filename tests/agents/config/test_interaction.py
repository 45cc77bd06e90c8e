"""Bounds of interruptions and silence."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from gateway.agents.config.interaction import BargeIn, Idle


@pytest.mark.parametrize(
    ("part", "field", "low", "high", "beyond"),
    [
        (BargeIn, "min_speech_ms", 0, 2000, (-1, 2001)),
        (BargeIn, "protect_greeting_ms", 0, 30_000, (-1, 30_001)),
        (Idle, "nudge_after_s", 1, 29.9, (0.9, 600.1)),
        (Idle, "end_after_s", 15.1, 600, (0.9, 600.1)),
    ],
)
def test_bounds(
    part: type[BaseModel], field: str, low: float, high: float, beyond: tuple[float, float]
) -> None:
    for value in (low, high):
        assert getattr(part.model_validate({field: value}), field) == value
    for refused in (*beyond, float("nan"), float("inf"), True, str(low)):
        with pytest.raises(ValidationError):
            part.model_validate({field: refused})


def test_by_default_the_model_decides_and_a_silent_call_ends_after_half_a_minute() -> None:
    assert (BargeIn().min_speech_ms, BargeIn().protect_greeting_ms) == (0, 0)
    assert (Idle().nudge_after_s, Idle().end_after_s) == (15, 30)


def test_a_caller_is_asked_before_the_call_ends() -> None:
    assert Idle(nudge_after_s=30, end_after_s=30.1).end_after_s == 30.1
    for end_after_s in (30, 29):
        with pytest.raises(ValidationError, match="must be more than nudge_after_s") as refused:
            Idle(nudge_after_s=30, end_after_s=end_after_s)
        (details,) = refused.value.errors()
        assert details["ctx"]["key"] == "end_after_s"
