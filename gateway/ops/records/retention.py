"""Deletion of calls whose time is over, in small batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.records.history import US, CallHistory

log = structlog.get_logger()
_DAY_S: Final = 86_400


class Retention:
    """Deletes what is older than `days`.

    `deleted` gets the ids of each batch, `expire_more` the time before which all else goes.
    """

    def __init__(
        self,
        history: CallHistory,
        days: float,
        wall: Callable[[], float],
        deleted: Callable[[list[str]], None] = lambda _: None,
        expire_more: Sequence[Callable[[int], Awaitable[None]]] = (),
    ) -> None:
        self._history, self._days, self._wall, self._deleted = history, days, wall, deleted
        self._expire_more = expire_more

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
        """Delete what is due now, and return how many. Raises DatabaseAway."""
        now_us = round(self._wall() * US)
        before_us, count = now_us - round(self._days * _DAY_S * US), 0
        for _ in range(limits.database.RETAIN_BATCHES_MAX):
            ids = await self._history.expire(before_us, now_us)
            if not ids:
                break
            count += len(ids)
            self._deleted(ids)
        for expire in self._expire_more:
            await expire(before_us)
        return count
