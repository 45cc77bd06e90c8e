"""The agents to start from, with stand-ins of their systems: an ordinary call and a hard one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsal import as_expected


@pytest.mark.parametrize(
    "scenario",
    [
        *("clinic", "clinic-emergency"),
        *("bank", "bank-fraud"),
        *("field-service", "field-service-noise"),
        *("concierge", "concierge-upset"),
        *("contact-centre", "contact-centre-languages"),
    ],
)
async def test_an_ordinary_call_and_a_hard_one(scenario: str, tmp_path: Path) -> None:
    await as_expected(scenario, ("media", "sip"), tmp_path)
