"""What must be remembered for a while, in this process's memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from gateway import limits


class _Entry(NamedTuple):
    value: str
    ttl_s: float
    put_at: float


class MemoryStore:
    """Keys with a value and a time to live.

    Keys that live equally long are in one ring, in the order in which they expire. When there
    are too many keys, the largest ring gives way: what is put by the thousand for a minute does
    not push out what counts for a day, nor the other way round.
    """

    def __init__(self, clock: Callable[[], float], most: int = limits.store.REMEMBERED_MAX) -> None:
        self._clock, self._most = clock, most
        self._entries: dict[str, _Entry] = {}
        self._rings: dict[float, OrderedDict[str, None]] = {}
        """By time to live."""

    def claim(self, key: str, ttl_s: float) -> bool:
        """Takes a key once: False when it was taken before and has not expired."""
        if self.get(key) is not None:
            return False
        self.put(key, "", ttl_s)
        return True

    def put(self, key: str, value: str, ttl_s: float) -> None:
        self.delete(key)
        self._entries[key] = _Entry(value, ttl_s, self._clock())
        self._rings.setdefault(ttl_s, OrderedDict())[key] = None
        self._sweep()

    def delete(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        ring = self._rings[entry.ttl_s]
        del ring[key]
        if not ring:
            del self._rings[entry.ttl_s]

    def get(self, key: str) -> str | None:
        entry = self._entries.get(key)
        return None if entry is None or self._is_over(entry) else entry.value

    def put_at(self, key: str) -> float | None:
        """When what is there was put there."""
        entry = self._entries.get(key)
        return None if entry is None or self._is_over(entry) else entry.put_at

    def __len__(self) -> int:
        return len(self._entries)

    def _is_over(self, entry: _Entry) -> bool:
        return entry.put_at + entry.ttl_s <= self._clock()

    def _sweep(self) -> None:
        for ring in list(self._rings.values()):
            while ring and self._is_over(self._entries[oldest := next(iter(ring))]):
                self.delete(oldest)
        while len(self._entries) > self._most:
            largest: OrderedDict[str, None] = max(self._rings.values(), key=len)
            self.delete(next(iter(largest)))
