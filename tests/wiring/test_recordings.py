"""Recordings: where they go by default, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from database_end import ended_call
from ops.recordings.parts import facts, noise

from gateway.ops.recordings.joining import JoinedPart, join
from gateway.ops.records.history import CallFilter
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


async def test_a_recording_is_deleted_with_its_record(
    wired: Callable[..., Any], tmp_path: Path
) -> None:
    areas = wired(GATEWAY_RETAIN_DAYS="30")
    kept, recorded = areas.kept, recordings(areas.r, areas.kept)
    old, young = ended_call(1, "2020-01-01T12:00:00.000+00:00"), ended_call(2, in_days(-29))

    def fill(connection: Any) -> None:
        for call in (old, young):
            kept.history.apply(connection, kept.history.ended(call, "").data)

    await kept.database.write(fill)
    for call in (old, young):
        of, target = facts(name=call.id), tmp_path / "joined"
        part = JoinedPart(of, 10, (), "final", [of.id], lambda: iter([noise(10)]))
        info = join([part], target, None, lambda kind, id=call.id: recorded.library.key(id, kind))
        await recorded.library.store(info, target)
    assert await recorded.retention.look() == 1
    assert await recorded.library.find(old.id) is None
    assert await recorded.library.find(young.id) is not None
    assert [call.id for call in (await kept.history.page(CallFilter(), 9))[0]] == [young.id]
    await recorded.close()
    await kept.close()


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="milliseconds")
