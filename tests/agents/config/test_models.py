"""Models that are shut down, and what takes their place."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.agents.config.models import DEFAULT_MODEL, SHUTDOWNS


def test_the_default_stays() -> None:
    assert DEFAULT_MODEL not in SHUTDOWNS


@pytest.mark.parametrize("model", SHUTDOWNS)
def test_what_takes_the_place_stays_and_the_date_is_one(model: str) -> None:
    ends, instead = SHUTDOWNS[model]
    assert instead not in SHUTDOWNS
    assert date.fromisoformat(ends).isoformat() == ends


@pytest.mark.parametrize("model", SHUTDOWNS)
def test_a_transcriber_is_not_replaced_by_a_model_that_speaks(model: str) -> None:
    _, instead = SHUTDOWNS[model]
    speaks = "realtime" in model
    assert ("realtime" in instead) == speaks
