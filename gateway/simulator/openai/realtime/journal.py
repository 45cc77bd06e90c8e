"""Journal of the simulated model, for people and tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

Entry = dict[str, Any]
"""`t` (Unix seconds), `session`, `kind`, and the fields of the kind."""

KEPT_ENTRIES: Final = 50_000


class Journal:
    """Bounded list of entries with ascending numbers; the oldest ones are discarded first."""

    def __init__(self, clock: Callable[[], float], kept: int = KEPT_ENTRIES) -> None:
        self._clock = clock
        self._entries: deque[tuple[int, Entry]] = deque(maxlen=kept)
        self._next = 0
        self._listeners: list[Callable[[int, Entry], None]] = []

    def log(self, session: str, kind: str, **facts: Any) -> None:
        entry: Entry = {"t": round(self._clock(), 4), "session": session, "kind": kind, **facts}
        number = self._next
        self._next += 1
        self._entries.append((number, entry))
        for listener in tuple(self._listeners):
            listener(number, entry)

    def clear(self) -> None:
        """Remove all entries; the numbers continue."""
        self._entries.clear()

    def entries(self, start: int = 0) -> Iterator[tuple[int, Entry]]:
        """Return the retained entries from a number on."""
        return iter([pair for pair in self._entries if pair[0] >= start])

    def of(self, *kinds: str, session: str | None = None) -> list[Entry]:
        """Return the entries of these kinds, oldest first."""
        return [
            entry
            for _, entry in self._entries
            if entry["kind"] in kinds and (session is None or entry["session"] == session)
        ]

    def listen(self, listener: Callable[[int, Entry], None]) -> Callable[[], None]:
        """Call the listener with each new entry. Return the function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
