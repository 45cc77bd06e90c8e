"""The agents to start from, with stand-ins of their systems: an ordinary call and a hard one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsal import as_expected


@pytest.mark.parametrize(
    "scenarios",
    [
        ("clinic", "clinic-emergency"),
        ("bank", "bank-fraud"),
        ("field-service", "field-service-noise"),
        ("concierge", "concierge-upset"),
        ("contact-centre", "contact-centre-languages"),
    ],
    ids=lambda pair: pair[0],
)
async def test_an_ordinary_call_and_a_hard_one(scenarios: tuple[str, str], tmp_path: Path) -> None:
    for scenario in scenarios:
        await as_expected(scenario, ("media", "sip"), tmp_path / scenario)
