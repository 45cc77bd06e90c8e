"""Tool lists of hosted MCP servers: which have come, and which are late.

An event names an item, the item names the server, and either may come first. On the SIP path the
whole of it may be over before the sideband stands: then nothing is known, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway import limits

LISTS_MAX: Final = 4 * limits.mcp.SERVERS_MAX
"""Lists of one session: a server that lists for ever is not followed."""


@dataclass(frozen=True, slots=True)
class HostedList:
    """The outcome of one server's list."""

    label: str
    outcome: str
    """`ok`, `empty` or `failed`."""
    tools: int
    late: bool
    """Whether the model knows that it was not there yet."""


class HostedLists:
    """Lists that are expected, by label."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._labels = frozenset(labels)
        self.due: float | None = None
        """When the missing lists are late."""
        self.relist()

    def relist(self) -> None:
        """Start anew: another session lists again."""
        self.due = None
        self._pending = set(self._labels)
        self._late: set[str] = set()
        self._items: dict[str, tuple[str, int]] = {}
        """Item -> label and number of tools."""
        self._events: dict[str, bool] = {}
        """Item -> whether its list came, where the event was faster."""

    @property
    def complete(self) -> bool:
        return not self._pending

    def overdue(self) -> list[str]:
        """Return the labels that the model is now to be told are late."""
        self.due = None
        late = sorted(self._pending - self._late)
        self._late.update(late)
        return late

    def on_item(self, item_id: str, label: str, tools: int) -> HostedList | None:
        if label not in self._labels or len(self._items) > LISTS_MAX:
            return None
        self._items[item_id] = label, tools
        came = self._events.pop(item_id, None)
        return self.on_event(item_id, came=came) if came is not None else None

    def on_event(self, item_id: str, *, came: bool) -> HostedList | None:
        """Return the outcome for a server, if the event tells it; None for nothing yet."""
        label, tools = self._items.get(item_id, ("", 0))
        if not label and not came and len(self._pending) == 1:
            label = next(iter(self._pending))  # one that failed may never get an item
        if not label:
            if len(self._events) < len(self._labels):
                self._events[item_id] = came
            return None
        late = label in self._late
        self._pending.discard(label)
        self._late.discard(label)
        return HostedList(label, "failed" if not came else "ok" if tools else "empty", tools, late)
