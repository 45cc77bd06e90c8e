"""Deletion of calls whose time is over, with all that hangs on them, in small batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from gateway import limits
from gateway.errors import DatabaseAway, LinkError
from gateway.ops.records.forgetting import TraceStore
from gateway.ops.records.history import US, CallHistory, CallNames

log = structlog.get_logger()
_DAY_S: Final = 86_400


class Retention:
    """Deletes what is older than `days`.

    What `stores` keep of a call goes before its record, by which it is found: a call of which
    something could not be deleted keeps its record until the next round. `expire_more` gets the
    time before which all else goes.
    """

    def __init__(
        self,
        history: CallHistory,
        days: float,
        wall: Callable[[], float],
        stores: Sequence[TraceStore] = (),
        expire_more: Sequence[Callable[[int], Awaitable[None]]] = (),
    ) -> None:
        self._history, self._days, self._wall = history, days, wall
        self._stores, self._expire_more = stores, expire_more

    async def run(self) -> None:
        while True:
            try:
                if count := await self.look():
                    log.info("records_deleted", count=count, retain_days=self._days)
            except DatabaseAway:
                pass  # it was reported; the next round deletes more
            except Exception:
                log.exception("records_not_deleted")
            await asyncio.sleep(limits.database.RETAIN_EVERY_S)

    async def look(self) -> int:
        """Delete what is due now, and return how many calls. Raises DatabaseAway."""
        now_us = round(self._wall() * US)
        before_us, count, after = now_us - round(self._days * _DAY_S * US), 0, ""
        kept: list[str] = []
        for _ in range(limits.database.RETAIN_BATCHES_MAX):
            due = await self._history.due(before_us, now_us, after)
            if not due:
                break
            after = due[-1].id
            emptied = await self._emptied(due)
            kept += [call.id for call in due if call.id not in emptied]
            count += await self._history.delete_calls(emptied)
        if kept:
            log.warning("recordings_not_deleted", count=len(kept), first=kept[0])
        if count:
            await self._history.empty_journal()
        for expire in self._expire_more:
            await expire(before_us)
        return count

    async def _emptied(self, due: Sequence[CallNames]) -> list[str]:
        """Return the ids of those calls of which no store has anything any more."""
        emptied, calls = [], iter(due)

        async def empty() -> None:
            for call in calls:
                try:
                    for store in self._stores:
                        await store.forget([call])
                except LinkError:
                    continue
                emptied.append(call.id)

        # They share the iterator: each takes the next call when it is done with one.
        await asyncio.gather(*(empty() for _ in range(limits.database.RETAIN_AT_ONCE)))
        return emptied
