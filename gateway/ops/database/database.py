"""One thread that has the database: everything else awaits it, and sound never does."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import structlog

from gateway import limits
from gateway.errors import DatabaseAway, DatabaseBusy
from gateway.ops.database.address import WRITES, DatabaseAddress

if TYPE_CHECKING:  # SQLAlchemy is imported on the thread
    from sqlalchemy import Connection, Engine

log = structlog.get_logger()
T = TypeVar("T")


_NO_TABLES: Final = frozenset({"42P01", "3F000"})
_NOT_ITS_FAULT: Final = frozenset({"42501"}) | _NO_TABLES
"""SQLSTATE of requests that fail although nothing is wrong with them: no right after a rotation of
users, no table or schema on a server that was set up anew."""


class _Job(NamedTuple):
    work: Callable[[Connection], Any]
    writes: bool
    done: Future[Any]


class Database:
    """SQLite or PostgreSQL, opened at the first request and migrated then.

    `on_open` functions are called once, in the transaction of the migration; `failed` is called,
    on the thread, for each request that the database did not serve.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        on_open: tuple[Callable[[Connection], None], ...] = (),
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._address, self._on_open, self._failed = address, on_open, failed
        self._jobs: queue.Queue[_Job | None] = queue.Queue(limits.database.JOBS_MAX)
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._down_since: float | None = None
        self._down_for_writes = False
        """Whether it was a write that was not served: that reads are served is no end of it."""
        self._look_again_at = 0.0
        self._closed = False

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._address.kind

    @property
    def tried(self) -> bool:
        """Whether it was opened, or could not be: then its packages are loaded."""
        return self._engine is not None or self.away

    @property
    def away(self) -> bool:
        """Whether the last request was not served."""
        return self._down_since is not None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` finds in a transaction of its own. Raises DatabaseAway."""
        return await self._ask(work, writes=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work` once its transaction is committed. Raises DatabaseAway."""
        return await self._ask(work, writes=True)

    async def empty_journal(self) -> bool:
        """Take what was deleted out of SQLite's write-ahead log, too, where it would stay readable.

        False if another process was reading meanwhile. Raises DatabaseAway.
        """
        if self.kind != "sqlite":
            return True  # a server's log is for its operator: see docs/operations/database.md
        return await self.read(_truncated)

    def run(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:
        """Do the same without an event loop, in a command. Raises DatabaseAway."""
        result: T = self._perform(_Job(work, writes, Future()))
        return result

    async def _ask(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        job = _Job(work, writes, Future())
        if self._closed:
            raise DatabaseAway("closed")
        if self._thread is None:
            # A daemon: a server or disk that hangs does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="database", daemon=True)
            self._thread.start()
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise DatabaseBusy("too many requests wait") from None
        try:
            async with asyncio.timeout(limits.database.JOB_WAIT_MAX_S):
                result: T = await asyncio.wrap_future(job.done)
                return result
        except TimeoutError:
            raise DatabaseBusy("no answer in time") from None

    async def close(self) -> None:
        """Close the connection, after what was asked before; a server that hangs is left."""
        self._closed = True
        if self._thread is not None:
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        try:
            self._jobs.put(None, timeout=limits.database.CLOSE_MAX_S)
        except queue.Full:
            return
        if self._thread is not None:
            self._thread.join(limits.database.CLOSE_MAX_S)

    # --- On the thread ---

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.done.set_running_or_notify_cancel():
                continue
            try:
                result = self._perform(job)
            except BaseException as error:
                job.done.set_exception(error)
            else:
                job.done.set_result(result)
            del job
        self.dispose()

    def dispose(self) -> None:
        """Close the connection of a command."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _perform(self, job: _Job) -> Any:
        if self._down_since is not None and monotonic() < self._look_again_at:
            raise DatabaseAway("away")
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - on the thread

        connected = False
        try:
            engine = self._engine or self._open()
            connection = engine.connect().execution_options(**{WRITES: job.writes})
            with connection, connection.begin():
                connected = True
                result = job.work(connection)
        except (DBAPIError, OSError) as error:
            reason = _reason(error)
            if reason is None:
                raise
            self._lost(
                reason, job.writes, connected and not getattr(error, "connection_invalidated", True)
            )
            raise DatabaseAway(reason) from error
        if job.writes or not self._down_for_writes:
            self._found()
        return result

    def _open(self) -> Engine:
        from gateway.ops.database.address import open_engine  # noqa: PLC0415 - on the thread
        from gateway.ops.database.migrate import migrate  # noqa: PLC0415

        engine = open_engine(self._address)
        try:
            connection = engine.connect().execution_options(**{WRITES: True})
            with connection, connection.begin():
                migrate(connection)
                for prepare in self._on_open:
                    prepare(connection)
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine
        return engine

    def _lost(self, reason: str, writes: bool, connected: bool) -> None:
        self._failed()
        self._down_for_writes |= writes
        if not connected:
            # Connecting takes up to three seconds: an outage shall not cost every request that.
            self._look_again_at = monotonic() + limits.database.PAUSE_S
        if self._engine is not None and reason == "read_only":
            self._engine.dispose()  # a former primary: another server may have the name by now
        if reason in _NO_TABLES:
            self.dispose()  # a server that was set up anew: its tables are made when it is opened
        if self._down_since is None:
            self._down_since = monotonic()
            log.error("database_unavailable", setting="GATEWAY_DATABASE", reason=reason)

    def _found(self) -> None:
        if self._down_since is not None:
            away_s, self._down_since = round(monotonic() - self._down_since, 1), None
            self._down_for_writes = False
            log.info("database_available", setting="GATEWAY_DATABASE", away_s=away_s)


def _truncated(connection: Connection) -> bool:
    # A checkpoint waits for who reads or writes; SQLite begins this transaction with neither.
    driver: Any = connection.connection.driver_connection
    busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _reason(error: Exception) -> str | None:
    """Return why the database did not serve, None where the request itself is wrong."""
    from sqlalchemy.exc import (  # noqa: PLC0415
        DBAPIError,
        InterfaceError,
        InternalError,
        OperationalError,
    )

    if not isinstance(error, DBAPIError):
        return "disk"
    # Only names: the driver's words contain addresses, users and parameters.
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    if state == "25006":
        return "read_only"
    served_nothing = OperationalError | InterfaceError | InternalError
    if error.connection_invalidated or isinstance(error, served_nothing) or state in _NOT_ITS_FAULT:
        return str(state or type(error.orig).__name__)
    return None
