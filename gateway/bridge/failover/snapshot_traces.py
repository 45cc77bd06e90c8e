"""Traces that ended calls leave in the store, to be deleted with a call or a caller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.bridge.failover.snapshots import keys_of
from gateway.ops.records.history import CallNames
from gateway.ops.store.shared import Store


class SnapshotTraces:
    """Snapshots of calls, and the sound of their last turns."""

    name: Final = "states"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def forget(self, calls: Sequence[CallNames]) -> int:
        """Delete what there is of these calls; return how much it was. Raises StoreError."""
        found = await self.left(calls)
        for key in _keys(calls):
            await self._store.delete(key)
        return found

    async def left(self, calls: Sequence[CallNames]) -> int:
        """Return how many values there are of these calls. Raises StoreError."""
        return sum([await self._store.get(key) is not None for key in _keys(calls)])


def _keys(calls: Sequence[CallNames]) -> Iterator[str]:
    for call in calls:
        yield from keys_of(call.call_sid, call.id)
