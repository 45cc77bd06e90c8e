"""A caller is handed to people, over real processes and sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

from database_end import open_database
from rehearsal import as_expected, on

from gateway.ops.records.history import CallFilter


@on("sip", "media")
async def test_a_person_takes_the_call_with_a_key(path: str, tmp_path: Path) -> None:
    await as_expected("warm", path, tmp_path)


@on("media", "sip")
async def test_nobody_takes_the_call_and_the_agent_helps_on(path: str, tmp_path: Path) -> None:
    await as_expected("refused", path, tmp_path)


@on("media", "sip")
async def test_a_queue(path: str, tmp_path: Path) -> None:
    await as_expected("queue", path, tmp_path)


@on("trunk", "media", "sip")
async def test_keys_reach_the_model_and_no_log_or_record(path: str, tmp_path: Path) -> None:
    await as_expected("keypad", path, tmp_path)
    ours = written_by_the_gateway(tmp_path)
    assert len(ours) >= 2, "a log and a record"
    for text in ours:  # ten digits each: four are found by chance in an identifier
        assert not any(keys in text for keys in ("4711930285", "0815396728"))


def written_by_the_gateway(folder: Path) -> list[str]:
    written = [file for file in folder.rglob("*") if file.is_file()]
    ours = [file for file in written if file.name == "gateway.log" or "data" in file.parts]
    return [file.read_text("utf-8", "replace") for file in ours]


async def test_the_agent_presses_keys_and_takes_a_message(tmp_path: Path) -> None:
    await as_expected("digits", "media", tmp_path)
    async with open_database(tmp_path / "media" / "data") as end:
        writing = asyncio.create_task(end.writes.run())  # what was spooled when it stopped
        end.writes.add()  # nothing, behind all that is found in the spool
        await asyncio.wait_for(end.writes.flushed(), 20)
        writing.cancel()
        (call,), _ = await end.history.page(CallFilter(), 2)
        record = await end.history.find(call.id)
    assert record is not None
    assert [(one.text, one.name) for one in record.messages] == [("The flour is late.", "Lee")]
