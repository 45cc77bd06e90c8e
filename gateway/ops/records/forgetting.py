"""Deletion of every trace of a caller, or of one call, and the proof of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from time import time
from typing import Protocol

import structlog
from msgspec import Struct

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.records.history import CallHistory, CallNames
from gateway.ops.records.tombstones import Tombstones

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


class NumberStore(Protocol):
    """A place where something is kept by a caller's number; raises StoreError."""

    @property
    def name(self) -> str:
        """Name in the report, such as `numbers`."""

    async def calls(self, number: str) -> list[CallNames]:
        """Return names of the caller's calls: not every one leaves a record."""

    async def bar_running(self, calls: Sequence[CallNames]) -> None:
        """Delete what was said in calls that run; no more of it is written."""

    async def forget(self, number: str, *, running: bool) -> int:
        """Delete what there is of a number; return how much it was."""

    async def left(self, number: str) -> int:
        """Return how much there is of a number."""


class Forgotten(Struct):
    """Report of a deletion: it is done only where `left` is zero everywhere."""

    calls: list[str]
    """Ids of the calls that were deleted."""
    deleted: dict[str, int]
    """How much was deleted, by place."""
    left: dict[str, int]
    """How much was found afterwards, by place."""
    running: list[str] = []
    """Ids of calls that run now: what they leave is dropped, and no word of them is written to the
    shared store any more. Forget again when they are over."""
    barred: int = 0
    """Names, of calls and of the caller, under which nothing is written or stored any more."""
    barred_until: str = ""
    """RFC 3339, UTC: how long at least."""

    @property
    def complete(self) -> bool:
        return not self.running and not any(self.left.values())


class Forgetting:
    """Deletes from the database and from all `stores`.

    `running` returns the ids of running calls of a number. Calls that have ended here and are not
    in the database yet are written first, so that nothing is left in the spool; what other
    processes still have to write meets the tombstones, which are set before anything is deleted.
    """

    def __init__(
        self,
        history: CallHistory,
        writes: WriteBehind,
        tombstones: Tombstones,
        running: Callable[[str], Awaitable[list[str]]],
        stores: Sequence[TraceStore],
        numbers: NumberStore,
        retain_days: float,
        wall: Callable[[], float] = time,
    ) -> None:
        self._history, self._writes, self._tombstones = history, writes, tombstones
        self._running, self._stores, self._numbers = running, stores, numbers
        self._kept_s, self._wall = retain_days * 86_400 + limits.records.TOMBSTONE_SPARE_S, wall

    async def caller(self, number: str) -> Forgotten:
        """Delete every trace of a caller. Raises DatabaseAway, LinkError."""
        await self._written()
        who = await self._history.hash_of(number)
        running = await self._running(number)
        if who:
            await self._tombstones.add(running, who)
        calls = await self._history.names_of(who) if who else []
        # One that ran under a stricter agent, or in a process that was killed, left no record.
        known = {call.id for call in calls}
        calls += [one for one in await self._numbers.calls(number) if one.id not in known]
        known |= {call.id for call in calls}
        live = [call for call in calls if call.id in running]
        live += [CallNames(name, "") for name in running if name not in known]
        # A call that runs goes on: of what the shared store has of it only the words are deleted.
        await self._numbers.bar_running(live)
        report = await self._forget([call for call in calls if call.id not in running], who)
        forgotten = await self._numbers.forget(number, running=bool(running))
        report.deleted[self._numbers.name] = forgotten
        report.left[self._numbers.name] = await self._numbers.left(number)
        if who:
            report.left["calls"] = len(await self._history.names_of(who))
        report.running = running
        log.info("caller_forgotten", calls=len(calls), complete=report.complete)
        return report

    async def call(self, call_id: str) -> Forgotten | None:
        """Delete one call; None if nothing of it is anywhere. Raises DatabaseAway, LinkError.

        It may still be on the disk of another process: its name is barred in any case.
        """
        await self._written()
        await self._tombstones.add([call_id])
        calls = await self._history.names(call_id)
        report = await self._forget(calls or [CallNames(call_id, "")])
        if not calls and not any(report.deleted.values()):
            return None
        report.left["calls"] = len(await self._history.names(call_id))
        log.info("call_forgotten", call_id=call_id, complete=report.complete)
        return report

    async def _written(self) -> None:
        try:
            async with asyncio.timeout(limits.records.FORGET_WAIT_S):
                await self._writes.flushed()
        except TimeoutError:
            raise DatabaseAway("calls wait to be written") from None

    async def _forget(self, calls: list[CallNames], who: str = "") -> Forgotten:
        """Delete what hangs on the calls first: by them it is found again after a failure."""
        names = [name for call in calls for name in call]
        barred = await self._tombstones.add(names, who) if names or who else 0
        deleted = {store.name: await store.forget(calls) for store in self._stores}
        deleted["calls"] = sum([await self._history.delete_call(one.id) for one in calls])
        left = {store.name: await store.left(calls) for store in self._stores}
        # Behind all else: what was deleted would still be readable there.
        left["journal"] = int(not await self._history.empty_journal())
        until = datetime.fromtimestamp(self._wall() + self._kept_s, UTC)
        return Forgotten(
            [one.id for one in calls],
            deleted,
            left,
            barred=barred,
            barred_until=until.isoformat(timespec="seconds") if barred else "",
        )
