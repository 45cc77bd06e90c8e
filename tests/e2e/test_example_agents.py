"""The agents to start from, with stand-ins of their systems: an ordinary call and a hard one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsal import as_expected, on

AGENTS = ("clinic", "bank", "field-service", "concierge", "contact-centre")
HARD = (
    *("clinic-emergency", "bank-fraud", "field-service-noise"),
    *("concierge-upset", "contact-centre-languages"),
)


@pytest.mark.parametrize("scenario", AGENTS)
@on("sip", "media")
async def test_an_ordinary_call(scenario: str, path: str, tmp_path: Path) -> None:
    await as_expected(scenario, path, tmp_path)


@pytest.mark.parametrize("scenario", HARD)
@on("media", "sip")
async def test_a_hard_call(scenario: str, path: str, tmp_path: Path) -> None:
    await as_expected(scenario, path, tmp_path)
