"""A scenario whole: what its parts say about each other."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.simulator.scenario.schema import Scenario


def test_people_may_be_described_in_a_word() -> None:
    scenario = Scenario.model_validate(
        {
            "name": "a",
            "steps": ["hang_up"],
            "people": {"+15550142": "busy", "sip:ann@desk.example": {"says": "hello"}},
        }
    )
    assert scenario.people["+15550142"].busy
    assert scenario.people["sip:ann@desk.example"].says == "hello"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"steps": [{"kill": "crm"}]}, "no process is named crm"),
        ({"call": {"direction": "outbound", "agent": "a", "to": "+15550142"}}, "one of `people`"),
        ({"expect": {"echo": {"of_step": 1}}}, "does not speak in step 1"),
    ],
)
def test_what_is_named_must_be_there(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Scenario.model_validate({"name": "a", "steps": ["hear"], **more})


def test_keys_of_spawned_gateways_are_known() -> None:
    scenario = Scenario.model_validate({"name": "a", "steps": ["hear"], "model": {}, "agents": "a"})
    assert scenario.spawned_only == ["agents"]
