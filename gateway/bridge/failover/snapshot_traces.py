"""Traces that ended calls leave in the store, to be deleted with a call or a caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.errors import StoreError
from gateway.ops.records.history import CallNames
from gateway.ops.store.call_keys import WARM_OF, keys_of_call, keys_of_warm_transfer
from gateway.ops.store.shared import Store


class SnapshotTraces:
    """Snapshots of calls, the sound of their last turns, and all else that has a call's name."""

    name: Final = "states"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def forget(self, calls: Sequence[CallNames]) -> int:
        """Delete what there is of these calls; return how much it was. Raises StoreError."""
        found = 0
        for key in await self._keys(calls):
            found += await self._store.get(key) is not None
            await self._store.delete(key)
        self._check()
        return found

    async def left(self, calls: Sequence[CallNames]) -> int:
        """Return how many values there are of these calls. Raises StoreError."""
        found = sum([await self._store.get(key) is not None for key in await self._keys(calls)])
        self._check()
        return found

    async def _keys(self, calls: Sequence[CallNames]) -> list[str]:
        found = []
        for call in calls:
            names = [name for name in dict.fromkeys((call.call_sid, call.id)) if name]
            for name in names:
                warm_id = await self._store.get(f"{WARM_OF}:{name}")
                # First: by the key of the call that of its transfer is found.
                found += keys_of_warm_transfer(warm_id) if warm_id else []
            found += keys_of_call(names)
        return found

    def _check(self) -> None:
        if self._store.away:
            # This process's own memory answered: nothing is proven of what the others wrote.
            raise StoreError("the shared store is away")
