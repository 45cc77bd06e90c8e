"""Files of earlier versions are taken over once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from database_end import DatabaseEnd, ended_call, open_database

from gateway import limits
from gateway.ops.records.archive import take_over_files
from gateway.ops.records.history import CallFilter


async def take_over(folder: Path, end: DatabaseEnd) -> None:
    writing = asyncio.create_task(end.writes.run())
    await take_over_files(folder, end.history, end.writes)
    writing.cancel()


async def test_every_record_is_taken_over_and_its_file_is_gone(
    tmp_path: Path, database_url: str | None
) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    count = limits.database.TAKE_OVER_BATCH + 3
    for number in range(count):
        name = f"20260921T1413{number:02}000000-CA{number}.json"
        (folder / name).write_bytes(msgspec.json.encode(ended_call(number)))
    (folder / "20260101T000000000000-broken.json").write_bytes(b"{}")
    (folder / "20260101T000000000001-binary.json").write_bytes(b"\xff\x00")
    async with open_database(tmp_path, database_url) as end:
        await take_over(folder, end)
        calls, _ = await end.history.page(CallFilter(), 100)
        assert len(calls) == count
        left = sorted(file.suffix for file in folder.iterdir())
        assert left == [".unreadable", ".unreadable"]
        await take_over(folder, end)
        assert len((await end.history.page(CallFilter(), 100))[0]) == count


async def test_there_may_be_none(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await take_over(tmp_path / "calls", end)


async def test_only_records_are_looked_at_and_only_those_of_a_bounded_size(tmp_path: Path) -> None:
    folder, most = tmp_path / "calls", limits.records.RECORD_FILE_MAX_BYTES
    folder.mkdir()
    record = msgspec.json.encode(ended_call(1))
    (folder / "1.json").write_bytes(record.ljust(most))
    (folder / "2.json").write_bytes(record.ljust(most + 1))
    for name in (".3.json", "4.txt", "5"):
        (folder / name).write_bytes(record)
    (folder / "6.json").mkdir()
    async with open_database(tmp_path) as end:
        await take_over(folder, end)
        calls, _ = await end.history.page(CallFilter(), 100)
    assert [call.id for call in calls] == [f"CA{1:032}"]
    left = sorted(file.name for file in folder.iterdir())
    assert left == [".3.json", "2.unreadable", "4.txt", "5", "6.unreadable"]
