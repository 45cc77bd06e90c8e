"""Bounded LRU map with a default factory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway import limits

T = TypeVar("T")


class LruMap(Generic[T]):
    """Values by key, made by `make`; the least recently used are dropped beyond `most`."""

    def __init__(self, make: Callable[[], T], most: int = limits.store.PICTURED_CALLS_MAX) -> None:
        self._make, self._most = make, most
        self._by_key: OrderedDict[str, T] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def of(self, key: str) -> T:
        if key in self._by_key:
            self._by_key.move_to_end(key)
            return self._by_key[key]
        if len(self._by_key) >= self._most:
            self._by_key.popitem(last=False)
        made = self._by_key[key] = self._make()
        return made
