"""Spools for the tests of recordings, in plain and sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ops.recordings.recording_spool import RecordingSpool


@pytest.fixture(params=[[], ["new-key", "old-key"]], ids=["plain", "sealed"])
def keys(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


@pytest.fixture
def spool(tmp_path: Path, keys: list[str]) -> RecordingSpool:
    return RecordingSpool(tmp_path / "spool", keys)
