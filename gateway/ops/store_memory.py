"""What must be remembered for a while, in this process's memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gateway.limits import REMEMBERED_MAX


class MemoryStore:
    """Keys with a value and a time to live; the oldest go first when there are too many."""

    def __init__(self, clock: Callable[[], float], most: int = REMEMBERED_MAX) -> None:
        self._clock, self._most = clock, most
        self._entries: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def claim(self, key: str, ttl_s: float) -> bool:
        """Takes a key once: False when it was taken before and has not expired."""
        if self.get(key) is not None:
            return False
        self.put(key, "", ttl_s)
        return True

    def put(self, key: str, value: str, ttl_s: float) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (self._clock() + ttl_s, value)
        self._sweep()

    def delete(self, key: str) -> None:
        self._entries.pop(key, None)

    def get(self, key: str) -> str | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock():
            return None
        return entry[1]

    def _sweep(self) -> None:
        now = self._clock()
        while self._entries:
            expires_at, _ = next(iter(self._entries.values()))
            if expires_at > now and len(self._entries) <= self._most:
                return
            self._entries.popitem(last=False)
