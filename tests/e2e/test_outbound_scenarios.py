"""Calls out over real processes and sockets: a person, a machine, nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearsal import as_expected, on


@pytest.mark.parametrize("scenario", ["outbound", "outbound-no-answer"])
@on("media", "sip")
async def test_somebody_is_called(scenario: str, path: str, tmp_path: Path) -> None:
    await as_expected(scenario, path, tmp_path)


@pytest.mark.parametrize("scenario", ["outbound-machine", "screening"])
@on("sip", "media")
async def test_a_machine_answers(scenario: str, path: str, tmp_path: Path) -> None:
    await as_expected(scenario, path, tmp_path)
