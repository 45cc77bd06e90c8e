"""Ended calls as JSON files. A disk that is slow or full costs a record, never a call."""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from gateway import limits

log = structlog.get_logger()
_CLOSE_WAIT_S: Final = 2.0
_PRUNE_EVERY: Final = 100
_ANEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_SAFE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user only.

    `Path.mkdir(parents=True)` gives its mode to the last one alone.
    """
    for missing in [*reversed(folder.parents), folder]:
        if not missing.exists():
            missing.mkdir(mode=0o700, exist_ok=True)


class RecordArchive:
    """One thread writes; `lost` gets the reason of each record that could not be kept."""

    def __init__(
        self,
        folder: Path,
        lost: Callable[[str], None],
        make_folder: Callable[[Path], None] = make_private,
    ) -> None:
        """`make_folder` is called in the thread, before each file, since somebody may remove it."""
        self._folder, self._lost, self._make_folder = folder, lost, make_folder
        self._pending: queue.Queue[tuple[str, bytes] | None] = queue.Queue(
            limits.records.ARCHIVE_PENDING_MAX
        )
        self._thread: threading.Thread | None = None
        self._written = 0

    def save(self, call_id: str, stamp: str, data: bytes) -> None:
        """Returns at once. `stamp` begins the file's name, and so tells its age."""
        if self._thread is None:
            # A daemon: a disk that hangs does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="records", daemon=True)
            self._thread.start()
        try:
            self._pending.put_nowait((f"{stamp}-{safe(call_id)}.json", data))
        except queue.Full:
            self._lost("backlog")

    def newest(self, most: int) -> list[bytes]:
        """Return the contents of the newest files, newest first. Reads the disk."""
        return [data for name in self._names()[:most] if (data := self._read(name))]

    def find(self, call_id: str) -> bytes | None:
        """Reads the disk: not for the event loop."""
        tail = f"-{safe(call_id)}.json"
        return next((self._read(name) for name in self._names() if name.endswith(tail)), None)

    def close(self) -> None:
        """Waits a moment for what is still to be written."""
        if self._thread is None:
            return
        try:
            self._pending.put(None, timeout=_CLOSE_WAIT_S)
        except queue.Full:
            return
        self._thread.join(_CLOSE_WAIT_S)
        self._thread = None

    # --- In the thread ---

    def _run(self) -> None:
        while (job := self._pending.get()) is not None:
            try:
                self._write(*job)
            except OSError as error:
                self._lost("disk")
                log.warning("record_lost", reason=os.strerror(error.errno or 0))

    def _write(self, name: str, data: bytes) -> None:
        self._make_folder(self._folder)
        draft = self._folder / f".{name}.part"
        try:
            with os.fdopen(os.open(draft, _ANEW, 0o600), "wb") as file:
                file.write(data)
            draft.replace(self._folder / name)
        except OSError:
            draft.unlink(missing_ok=True)  # or a full disk would fill with them
            raise
        self._written += 1
        if self._written % _PRUNE_EVERY == 1:
            for old in self._names()[limits.records.ARCHIVE_FILES_MAX :]:
                (self._folder / old).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        return sorted((n for n in names if n.endswith(".json") and n[0] != "."), reverse=True)

    def _read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            return (
                path.read_bytes()
                if path.stat().st_size <= limits.records.RECORD_FILE_MAX_BYTES
                else None
            )
        except OSError:
            return None


def safe(call_id: str) -> str:
    """A call's id as part of a file's name: a hash of what is not plain."""
    return call_id if _SAFE.fullmatch(call_id) else sha256(call_id.encode()).hexdigest()
