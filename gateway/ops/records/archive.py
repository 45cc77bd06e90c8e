"""Files of ended calls that earlier versions wrote: taken over into the database once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from gateway import limits
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.records.history import CallHistory
from gateway.ops.records.record import CallRecord

log = structlog.get_logger()
_UNREADABLE = "unreadable"


async def take_over_files(folder: Path, history: CallHistory, writes: WriteBehind) -> None:
    """Write every record in the folder to the database, and remove its file.

    A file goes only when the database has its record. What is not a record is put aside.
    """
    names = await asyncio.to_thread(_names, folder)
    for start in range(0, len(names), limits.database.TAKE_OVER_BATCH):
        batch = [folder / name for name in names[start : start + limits.database.TAKE_OVER_BATCH]]
        read = await asyncio.to_thread(_records, batch)
        # The callers of these calls are not known: their numbers were masked in the files.
        found = [history.ended(record, "") for _, record in read if record is not None]
        written = asyncio.Event()
        if found:
            writes.add(*found, written=written.set)
            await written.wait()
        await asyncio.to_thread(_clear, read)
    if names:
        log.info("records_taken_over", count=len(names))


def _names(folder: Path) -> list[str]:
    """Return the names of files, oldest first: each begins with its time."""
    try:
        return sorted(n for n in os.listdir(folder) if n.endswith(".json") and n[0] != ".")
    except OSError:
        return []


def _records(batch: list[Path]) -> list[tuple[Path, CallRecord | None]]:
    return [(file, _record(file)) for file in batch]


def _record(file: Path) -> CallRecord | None:
    try:
        if file.stat().st_size > limits.records.RECORD_FILE_MAX_BYTES:
            return None
        return msgspec.json.decode(file.read_bytes(), type=CallRecord)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _clear(read: list[tuple[Path, CallRecord | None]]) -> None:
    for file, record in read:
        try:
            if record is not None:
                file.unlink(missing_ok=True)
            else:
                file.rename(file.with_suffix(f".{_UNREADABLE}"))
                log.warning("record_unreadable", reason="not a record, or too large")
        except OSError as error:
            log.warning("record_file_kept", reason=type(error).__name__)
