"""Deletion of every trace of a caller, or of one call, and the proof of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from msgspec import Struct

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.records.history import CallHistory, CallNames

log = structlog.get_logger()


class TraceStore(Protocol):
    """A place where something of a call is kept."""

    @property
    def name(self) -> str:
        """Name in the report, such as `recordings`."""

    async def forget(self, calls: Sequence[CallNames]) -> int:
        """Delete what there is of these calls; return how much it was. Raises LinkError."""

    async def left(self, calls: Sequence[CallNames]) -> int:
        """Return how much there is of these calls. Raises LinkError."""


class Forgotten(Struct):
    """Report of a deletion: it is done only where `left` is zero everywhere."""

    calls: list[str]
    """Ids of the calls that were deleted."""
    deleted: dict[str, int]
    """How much was deleted, by place."""
    left: dict[str, int]
    """How much was found afterwards, by place."""
    running: list[str] = []
    """Ids of calls that run now: their records are written when they end. Forget again then."""

    @property
    def complete(self) -> bool:
        return not self.running and not any(self.left.values())


class Forgetting:
    """Deletes from the database and from all `stores`.

    `running` returns the ids of running calls of a number. Calls that have ended and are not in
    the database yet are written first, so that nothing is left in the spool.
    """

    def __init__(
        self,
        history: CallHistory,
        writes: WriteBehind,
        running: Callable[[str], list[str]],
        stores: Sequence[TraceStore],
    ) -> None:
        self._history, self._writes = history, writes
        self._running, self._stores = running, stores

    async def caller(self, number: str) -> Forgotten:
        """Delete every trace of a caller. Raises DatabaseAway, LinkError."""
        await self._written()
        who = await self._history.hash_of(number)
        calls = await self._history.names_of(who) if who else []
        report = await self._forget(calls)
        if who:
            report.left["calls"] = len(await self._history.names_of(who))
        report.running = self._running(number)
        log.info("caller_forgotten", calls=len(calls), complete=report.complete)
        return report

    async def call(self, call_id: str) -> Forgotten | None:
        """Delete one call; None if there is none. Raises DatabaseAway, LinkError."""
        await self._written()
        calls = await self._history.names(call_id)
        if not calls:
            return None
        report = await self._forget(calls)
        report.left["calls"] = len(await self._history.names(call_id))
        log.info("call_forgotten", call_id=call_id, complete=report.complete)
        return report

    async def _written(self) -> None:
        try:
            async with asyncio.timeout(limits.records.FORGET_WAIT_S):
                await self._writes.flushed()
        except TimeoutError:
            raise DatabaseAway("calls wait to be written") from None

    async def _forget(self, calls: list[CallNames]) -> Forgotten:
        """Delete what hangs on the calls first: by them it is found again after a failure."""
        deleted = {store.name: await store.forget(calls) for store in self._stores}
        deleted["calls"] = sum([await self._history.delete_call(one.id) for one in calls])
        left = {store.name: await store.left(calls) for store in self._stores}
        return Forgotten([one.id for one in calls], deleted, left)
