"""Calls out over real processes and sockets, on both paths: a person, a machine, nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsal import as_expected


@pytest.mark.parametrize(
    "scenario", ["outbound", "outbound-machine", "outbound-no-answer", "screening"]
)
async def test_somebody_is_called(scenario: str, tmp_path: Path) -> None:
    await as_expected(scenario, ("media", "sip"), tmp_path)
