"""Recordings: where they go by default, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.wiring.recordings import recordings


async def test_nothing_is_opened_before_something_is_recorded(
    wired: Callable[..., Any], tmp_path: Path
) -> None:
    areas = wired()
    recorded = recordings(areas.r, areas.kept)
    assert recorded.library.secret is None
    assert areas.r.settings.recordings_url == f"file://{tmp_path}/data/recordings"
    assert areas.r.metrics.registry.get_sample_value("gateway_recordings_waiting") == 0
    await recorded.close()
    assert not (tmp_path / "data" / "recordings").exists()


def test_recordings_are_sealed_with_the_key_of_the_store(wired: Callable[..., Any]) -> None:
    areas = wired(GATEWAY_STORE_KEY="new,old", GATEWAY_RECORDINGS="s3://bucket/calls/")
    assert recordings(areas.r, areas.kept).library.secret == "new"
    assert areas.r.settings.recordings_url == "s3://bucket/calls"
