"""Callers and people."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.simulator.scenario.parties import CallerSpec, PersonSpec


def test_a_person_may_be_described_in_a_word() -> None:
    assert PersonSpec.model_validate("busy").busy
    assert PersonSpec.model_validate({"says": "hello"}).says == "hello"


@pytest.mark.parametrize(
    "call",
    [
        {"direction": "outbound"},
        {"agent": "a"},
        {"direction": "outbound", "agent": "a", "path": "trunk"},
    ],
)
def test_an_outbound_call_names_who_calls_and_comes_over_no_trunk(call: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"direction: outbound goes with|inbound calls only"):
        CallerSpec.model_validate(call)
