"""What happened at a far end, as lines that a person or a test can read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

Entry = dict[str, Any]
"""`t` (unix seconds), `session`, `kind`, and what belongs to the kind."""

KEPT_ENTRIES: Final = 50_000


class Journal:
    """Bounded; the oldest entries go first. Every entry has a number that only grows."""

    def __init__(self, clock: Callable[[], float], kept: int = KEPT_ENTRIES) -> None:
        self._clock = clock
        self._entries: deque[tuple[int, Entry]] = deque(maxlen=kept)
        self._next = 0
        self._listeners: list[Callable[[int, Entry], None]] = []

    def note(self, session: str, kind: str, **facts: Any) -> None:
        entry: Entry = {"t": round(self._clock(), 4), "session": session, "kind": kind, **facts}
        number = self._next
        self._next += 1
        self._entries.append((number, entry))
        for listener in tuple(self._listeners):
            listener(number, entry)

    def clear(self) -> None:
        """Forgets what was; the numbers go on."""
        self._entries.clear()

    def entries(self, start: int = 0) -> Iterator[tuple[int, Entry]]:
        """Those still kept, from this number on."""
        return iter([pair for pair in self._entries if pair[0] >= start])

    def of(self, *kinds: str, session: str | None = None) -> list[Entry]:
        """The entries of these kinds, oldest first."""
        return [
            entry
            for _, entry in self._entries
            if entry["kind"] in kinds and (session is None or entry["session"] == session)
        ]

    def listen(self, listener: Callable[[int, Entry], None]) -> Callable[[], None]:
        """Calls the listener with each new entry, until the function that is returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
