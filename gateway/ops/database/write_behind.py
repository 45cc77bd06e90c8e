"""Writes of calls, in order: to the spool at once, and to the database as soon as it serves."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog
from msgspec import Struct

from gateway import limits
from gateway.errors import DatabaseAway, GatewayError
from gateway.ops.database.database import Database
from gateway.ops.database.spool import Spool, SpoolFull

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = structlog.get_logger()


class Write(Struct, frozen=True, array_like=True):
    """One change of the database. Done twice it must be as if done once."""

    kind: str
    """Which function applies it."""
    data: bytes


Apply = Callable[["Connection", bytes], None]
_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(list[Write])


class _FileUnreadable(GatewayError):
    """The disk does not give an entry back, which is no fault of the database."""


class _Entry(NamedTuple):
    name: str | None
    """Name in the spool; None while the disk does not take it."""
    data: bytes | None
    """The entry itself where it has no name."""
    written: Callable[[], None] | None


class WriteBehind:
    """Writes entries one after the other, each in a transaction, and never holds up a call.

    `apply` has the function for each kind of write; `lost` is called with the reason for each
    entry that is given up.
    """

    def __init__(
        self,
        database: Database,
        spool: Spool,
        apply: Mapping[str, Apply],
        lost: Callable[[str], None] = lambda _: None,
        *,
        pause_first_s: float = limits.database.WRITE_FIRST_PAUSE_S,
    ) -> None:
        self._database, self._spool, self._apply, self._lost = database, spool, apply, lost
        self._pause_first_s = pause_first_s
        self._incoming: queue.Queue[tuple[bytes, Callable[[], None] | None] | None] = queue.Queue(
            limits.database.SPOOL_QUEUE_MAX
        )
        self._ready: deque[_Entry] = deque()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._taken, self._written = asyncio.Event(), asyncio.Event()
        self._adding = 0
        self._failures = self._refusals = 0
        """How often the oldest entry was not taken, and how often while another one was."""
        self._writing: asyncio.Task[bool] | None = None
        self._runner: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Entries that are not in the database yet."""
        return self._adding + len(self._ready)

    def add(self, *writes: Write, written: Callable[[], None] | None = None) -> None:
        """Have these writes done in one transaction; returns at once.

        `written` is called in the event loop when they are in the database.
        """
        self._begin()
        try:
            self._incoming.put_nowait((_encode(writes), written))
        except queue.Full:
            self._lost("backlog")
            return
        self._adding += 1

    def _begin(self) -> None:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            # A daemon: a disk that hangs does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
            self._thread.start()

    # --- On the spool's thread ---

    def _run(self) -> None:
        self._put_ready([_Entry(name, None, None) for name in self._spool.found()], new=0)
        while (job := self._incoming.get()) is not None:
            data, written = job
            try:
                entry = _Entry(self._spool.put(data), None, written)
            except SpoolFull:
                self._refuse("backlog")
                continue
            except OSError as error:
                # The database may be on another disk. Until it has it, the entry is in memory.
                log.warning("spool_failed", reason=type(error).__name__)
                entry = _Entry(None, data, written)
            except Exception:
                log.exception("spool_failed")
                self._refuse("unwritable")
                continue
            self._put_ready([entry], new=1)

    def _refuse(self, reason: str) -> None:
        self._lost(reason)
        self._put_ready([], new=1)

    def _put_ready(self, entries: Sequence[_Entry], *, new: int) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the spool has them
                self._loop.call_soon_threadsafe(self._take, entries, new)

    # --- In the loop ---

    def _take(self, entries: Sequence[_Entry], new: int) -> None:
        self._adding -= new
        for entry in entries:
            memory = sum(one.name is None for one in self._ready) if entry.name is None else 0
            if memory >= limits.database.SPOOL_QUEUE_MAX:
                self._lost("disk")
                continue
            self._ready.append(entry)
        self._taken.set()
        self._news.set()

    async def run(self) -> None:
        """Write what comes, for as long as the process runs; what was left in the spool first."""
        self._begin()
        self._runner = asyncio.current_task()
        pause_s = self._pause_first_s
        while True:
            await self._news.wait()
            self._news.clear()
            while self._ready:
                if await self._write_next():
                    pause_s = self._pause_first_s
                    continue
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, limits.database.WRITE_PAUSE_MAX_S)

    async def spooled(self) -> None:
        """Return when everything that was added is on the disk, where the disk takes it."""
        while self._adding:
            self._taken.clear()
            await self._taken.wait()

    async def flushed(self) -> None:
        """Return when everything that was added is in the database."""
        while self.waiting:
            self._written.clear()
            await self._written.wait()

    async def _write_next(self) -> bool:
        """Write the oldest entry; False if the database did not take it."""
        # Shielded: cancelled in the middle, the entry would be written twice at the same time.
        task = self._writing or asyncio.create_task(self._write_oldest())
        self._writing = task
        try:
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._writing = None

    async def _write_oldest(self) -> bool:
        taken = await self._write(0)
        if not taken:
            self._failures += 1
            taken = self._refusals_max_reached(await self._write_another())
            if taken:
                await self._give_up(0, "refused")
        if taken:
            self._failures = self._refusals = 0
        return taken

    async def _write_another(self) -> bool:
        """Write an entry behind the oldest one, each time another, where that has failed often.

        A database may answer one entry like one that serves nothing (`InternalError`, a statement
        that is always too slow); all others would wait behind it for ever.
        """
        others = len(self._ready) - 1
        if self._failures < limits.database.WRITE_TRIES_IN_ORDER or not others:
            return False
        return await self._write(1 + self._failures % others)

    def _refusals_max_reached(self, another_written: bool) -> bool:
        self._refusals += another_written
        return self._refusals >= limits.database.WRITE_REFUSALS_MAX

    async def _write(self, index: int) -> bool:
        entry = self._ready[index]
        try:
            await self._database.write(lambda connection: self._perform(connection, entry))
        except DatabaseAway:
            return False
        except _FileUnreadable as error:
            log.warning("spool_failed", reason=type(error.__cause__).__name__)
            return False
        except Exception as error:
            await self._give_up(index, type(error).__name__)
            return True
        await self._done(index, aside=False)
        if entry.written is not None:
            entry.written()
        return True

    async def _give_up(self, index: int, reason: str) -> None:
        log.error("entry_unwritable", entry=self._ready[index].name, reason=reason)
        self._lost("unwritable")
        await self._done(index, aside=True)

    async def _done(self, index: int, *, aside: bool) -> None:
        entry = self._ready[index]
        del self._ready[index]
        if entry.name is not None:
            finish = self._spool.set_aside if aside else self._spool.remove
            try:
                await asyncio.to_thread(finish, entry.name)
            except OSError as error:  # it is written again by the next process, and changes nothing
                log.warning("spool_failed", reason=type(error).__name__)
        self._written.set()

    async def close(self) -> None:
        """Write for a while what is still to be written; the next process does the rest."""
        if self._thread is None:
            return
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.database.CLOSE_MAX_S):
                await self._write_rest()
        with contextlib.suppress(queue.Full):
            self._incoming.put_nowait(None)
        await asyncio.to_thread(self._thread.join, limits.database.CLOSE_MAX_S)
        self._thread = None

    async def _write_rest(self) -> None:
        while self.waiting:
            if not self._ready:
                self._news.clear()
                await self._news.wait()
            elif not await self._write_next():
                return

    # --- On the database's thread ---

    def _perform(self, connection: Connection, entry: _Entry) -> None:
        data = entry.data if entry.name is None else self._read(entry.name)
        if data is None:
            return  # another process that shares the folder has written it
        for write in _decoder.decode(data):
            self._apply[write.kind](connection, write.data)

    def _read(self, name: str) -> bytes | None:
        try:
            data = self._spool.read(name)
        except OSError as error:
            raise _FileUnreadable(name) from error
        if data is None and self._spool.holds(name):
            raise ValueError("no key opens it")
        return data
