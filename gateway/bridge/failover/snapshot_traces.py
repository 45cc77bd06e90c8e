"""Traces that calls leave in the store, to be deleted with a call or a caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway import limits
from gateway.errors import StoreError
from gateway.ops.records.history import CallNames
from gateway.ops.store.call_keys import (
    ENDED,
    PHOTOS,
    WARM_OF,
    keys_of_call,
    keys_of_warm_transfer,
)
from gateway.ops.store.shared import Store


class SnapshotTraces:
    """Snapshots of calls, the sound of their last turns, and all else that has a call's name.

    `stores` share one Redis, and have a memory each.
    """

    name: Final = "states"

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores

    async def forget(self, calls: Sequence[CallNames]) -> int:
        """Delete what there is of these calls; return how much it was. Raises StoreError.

        First it is barred: a process that is writing at this moment writes nothing any more.
        """
        for store in self._stores:
            await store.bar(names_of(calls), ENDED, limits.store.BARRED_S)
        return await delete_keys(self._stores, await self._keys(calls))

    async def left(self, calls: Sequence[CallNames]) -> int:
        """Return how many values there are of these calls. Raises StoreError."""
        return await count_keys(self._stores, await self._keys(calls))

    async def _keys(self, calls: Sequence[CallNames]) -> list[str]:
        found = []
        for name in names_of(calls):
            for store in self._stores:
                # First: by the keys of the call those of its transfer and links are found.
                warm_id = await store.get(f"{WARM_OF}:{name}")
                found += keys_of_warm_transfer(warm_id) if warm_id else []
                found += (await store.get(f"{PHOTOS}:{name}") or "").split()
        return list(dict.fromkeys([*found, *keys_of_call(names_of(calls))]))


async def delete_keys(stores: Sequence[Store], keys: Sequence[str]) -> int:
    """Delete these keys; return how many there were. Raises StoreError."""
    found = await count_keys(stores, keys)
    for store in stores:
        for key in keys:
            await store.delete(key)
    check(stores)
    return found


async def count_keys(stores: Sequence[Store], keys: Sequence[str]) -> int:
    """Return how many of these keys there are. Raises StoreError."""
    found = {key for store in stores for key in keys if await store.exists(key)}
    check(stores)
    return len(found)


def check(stores: Sequence[Store]) -> None:
    """Raise StoreError where the shared store did not answer."""
    if any(store.away for store in stores):
        # This process's own memory answered: nothing is proven of what the others wrote.
        raise StoreError("the shared store is away")


def names_of(calls: Sequence[CallNames]) -> list[str]:
    """Return every name of these calls once."""
    return list(dict.fromkeys(name for call in calls for name in (call.call_sid, call.id) if name))
