"""Traces of a caller in the store, beside those of their calls: found by a hash of the number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway import limits
from gateway.bridge.failover.snapshot_traces import count_keys, delete_keys, names_of
from gateway.ops.records.history import CallNames
from gateway.ops.store.call_keys import RUNNING, WORDS
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.shared import Store


class CallerTraces:
    """Counts of texts, answers to texts, orders of calls, and the index by which they are found.

    `stores` share one Redis, and have a memory each.
    """

    name: Final = "numbers"

    def __init__(self, stores: Sequence[Store], index: CallerIndex) -> None:
        self._stores, self._index = stores, index

    async def calls(self, number: str) -> list[CallNames]:
        """Return names of the caller's calls, also of those that leave no record."""
        return [CallNames(*names) for names in await self._index.calls(number)]

    async def bar_running(self, calls: Sequence[CallNames]) -> None:
        """Delete what was said in calls that run; no more of it is written. Raises StoreError."""
        names = names_of(calls)
        for store in self._stores:
            await store.bar(names, RUNNING, limits.store.BARRED_S)
        await delete_keys(self._stores, [f"{kind}:{name}" for kind in WORDS for name in names])

    async def forget(self, number: str, *, running: bool) -> int:
        """Delete what there is of a number; return how much it was. Raises StoreError.

        While a call of theirs is `running`, the index stays, so that it is found when it is over.
        """
        deleted = await delete_keys(self._stores, await self._index.keys(number))
        if not running:
            await self._index.drop(number)
        return deleted

    async def left(self, number: str) -> int:
        """Return how many names and keys there are of a number. Raises StoreError."""
        names = len(await self._index.calls(number))
        return names + await count_keys(self._stores, await self._index.keys(number))
