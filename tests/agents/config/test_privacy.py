"""Presets of privacy: what they set, and what an agent sets itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.agent import Agent


def agent(**keys: Any) -> Agent:
    return Agent.model_validate({"name": "front", "instructions": "Answer.", **keys})


@pytest.mark.parametrize(
    ("preset", "redact", "days"),
    [
        ("default", [], None),
        ("hipaa", ["cards", "digits", "emails", "phones"], 30),
        ("pci", ["cards", "digits"], 90),
    ],
)
def test_a_preset_sets_its_switches(preset: str, redact: list[str], days: int | None) -> None:
    one = agent(privacy=preset)
    assert (one.redact, one.retain_days, one.record) == (redact, days, "metadata")


def test_a_key_of_the_agents_own_goes_before_the_preset() -> None:
    one = agent(privacy="pci", redact=["emails"], retain_days=7, record="transcript")
    assert (one.redact, one.retain_days, one.record) == (["emails"], 7, "transcript")


@pytest.mark.parametrize("keys", [{"privacy": "gdpr"}, {"redact": ["names"]}, {"retain_days": 0}])
def test_what_there_is_no_switch_for_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        agent(**keys)
