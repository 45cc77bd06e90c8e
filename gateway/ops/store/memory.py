"""Keys with a time to live in this process's memory."""

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
    are too many keys, the largest ring loses its oldest: keys put by the thousand for a minute do
    not push out keys that count for a day, and the reverse.
    """

    def __init__(
        self, clock: Callable[[], float], max_keys: int = limits.store.REMEMBERED_MAX
    ) -> None:
        self._clock, self._max_keys = clock, max_keys
        self._entries: dict[str, _Entry] = {}
        self._rings: dict[float, OrderedDict[str, None]] = {}
        """Keys in order of expiry, by time to live."""

    def claim(self, key: str, ttl_s: float) -> bool:
        """Claim a key once; False if it was claimed before and has not expired."""
        if self.get(key) is not None:
            return False
        self.put(key, "", ttl_s)
        return True

    def put(self, key: str, value: str, ttl_s: float) -> None:
        """Put a key, whose time to live begins now."""
        self.delete(key)
        self._entries[key] = _Entry(value, ttl_s, self._clock())
        self._rings.setdefault(ttl_s, OrderedDict())[key] = None
        self._sweep()

    def delete(self, key: str) -> None:
        """Remove a key, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        ring = self._rings[entry.ttl_s]
        del ring[key]
        if not ring:
            del self._rings[entry.ttl_s]

    def get(self, key: str) -> str | None:
        """Return the value of a key that has not expired."""
        entry = self._entries.get(key)
        return None if entry is None or self._is_over(entry) else entry.value

    def put_at(self, key: str) -> float | None:
        """Return the clock's reading at which the key was put, if it has not expired."""
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
        while len(self._entries) > self._max_keys:
            largest: OrderedDict[str, None] = max(self._rings.values(), key=len)
            self.delete(next(iter(largest)))
