"""Files of what is still to be written to the database: on the disk before anything else is done.

One file holds one entry, sealed like everything else of a call that is at rest. A file that was
written to the database and not yet removed is written again by the next process; every write says
by its key what it is, and is done once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from time import time_ns
from typing import Final

from gateway import limits
from gateway.errors import GatewayError
from gateway.ops.database.sealing import Sealer

_SUFFIX: Final = ".entry"
_DRAFT: Final = ".part"
_ASIDE: Final = "failed"


class SpoolFull(GatewayError):
    """The spool holds as much as it may."""


class Spool:
    """Folder of entries, oldest first by name. Every method but `waiting` uses the disk."""

    def __init__(self, folder: Path, sealer: Sealer, now_ns: Callable[[], int] = time_ns) -> None:
        self._folder, self._sealer, self._now_ns = folder, sealer, now_ns
        self._process, self._count, self._last_ns = secrets.token_hex(4), 0, 0
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._sizes_lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Entries that this process has put or found, and not removed."""
        return len(self._sizes)

    def put(self, data: bytes) -> str:
        """Write an entry to the disk and return its name. Raises OSError, SpoolFull."""
        # A clock that is set back must not put a later entry before an earlier one.
        self._last_ns, self._count = max(self._now_ns(), self._last_ns), self._count + 1
        name = f"{self._last_ns:020d}-{self._process}-{self._count:08d}{_SUFFIX}"
        sealed = self._sealer.seal(_label(name), data)
        if (
            len(self._sizes) >= limits.database.SPOOL_FILES_MAX
            or self._bytes + len(sealed) > limits.database.SPOOL_BYTES_MAX
            or len(sealed) > limits.database.SPOOL_ENTRY_MAX_BYTES
        ):
            raise SpoolFull(f"{len(self._sizes)} entries wait for the database")
        make_private(self._folder)
        draft = self._folder / f".{name}{_DRAFT}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                with contextlib.suppress(OSError):  # a network disk without locks
                    fcntl.flock(f, fcntl.LOCK_EX)  # while this process lives: see `_adopt_drafts`
                f.write(sealed)
                f.flush()
                os.fsync(f.fileno())
                draft.replace(self._folder / name)
            sync_folder(self._folder)
        except OSError:
            draft.unlink(missing_ok=True)  # or a full disk would fill with them
            raise
        self._known(name, len(sealed))
        return name

    def found(self) -> list[str]:
        """Return the names of all entries, those of earlier processes included, oldest first."""
        self._adopt_drafts()
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(_SUFFIX))
        except OSError:
            return []
        names = [name for name in names if not name.startswith(".")]
        for name in names:
            try:
                self._known(name, (self._folder / name).stat().st_size)
            except OSError:
                continue
        return names

    def _adopt_drafts(self) -> None:
        """Make entries of what a process was writing when it was killed.

        A draft is locked by the process that writes it. A lock that can be had is that of a
        process that is gone, whose entry is nearly always whole: it waited for the disk. One
        that is cut off opens with no key, and goes where a person can look at it.
        """
        for draft in self._folder.glob(f".*{_SUFFIX}{_DRAFT}"):
            with contextlib.suppress(OSError), draft.open("rb") as file:  # gone, or still written
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_size:  # an empty one may be about to be locked
                    draft.replace(self._folder / draft.name[1 : -len(_DRAFT)])

    def read(self, name: str) -> bytes | None:
        """Return an entry, None if it is gone or no key opens it. Raises OSError."""
        try:
            return self._sealer.open(_label(name), (self._folder / name).read_bytes())
        except FileNotFoundError:
            return None

    def holds(self, name: str) -> bool:
        """Return whether the entry is there."""
        return (self._folder / name).exists()

    def remove(self, name: str) -> None:
        """Remove an entry that is written, or that another process has written."""
        self._forget(name)
        (self._folder / name).unlink(missing_ok=True)

    def set_aside(self, name: str) -> None:
        """Move an entry that cannot be written where a person can look at it."""
        self._forget(name)
        make_private(self._folder / _ASIDE)
        try:
            (self._folder / name).replace(self._folder / _ASIDE / name)
        except FileNotFoundError:
            return

    def _known(self, name: str, size: int) -> None:
        with self._sizes_lock:  # entries are put and removed on different threads
            self._bytes += size - self._sizes.get(name, 0)
            self._sizes[name] = size

    def _forget(self, name: str) -> None:
        with self._sizes_lock:
            self._bytes -= self._sizes.pop(name, 0)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user only.

    `Path.mkdir(parents=True)` gives its mode to the last one alone.
    """
    for missing in [*reversed(folder.parents), folder]:
        if not missing.exists():
            missing.mkdir(mode=0o700, exist_ok=True)


def _label(name: str) -> str:
    return f"spool:{name}"


def sync_folder(folder: Path) -> None:
    """Have the folder's new name on the disk as well."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
