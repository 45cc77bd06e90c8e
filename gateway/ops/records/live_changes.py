"""Changes of running calls that other processes are to see."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from gateway import limits
from gateway.ops.records.record import CallSummary


class EndedLine(NamedTuple):
    """Call that ended a moment ago."""

    call: CallSummary
    at_s: float
    """By the records' monotonic clock."""


class LiveChanges:
    """Names of calls that changed since they were taken; none without a shared store."""

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._changed: set[str] = set()
        self._ended: OrderedDict[str, EndedLine] = OrderedDict()

    def changed(self, key: str) -> None:
        if self._shared:
            self._changed.add(key)

    def ended(self, line: EndedLine) -> None:
        """Keep the last line of a call for a while, so that others see how it ended."""
        if self._shared:
            self._changed.add(line.call.id)
            self._ended[line.call.id] = line
            while len(self._ended) > limits.records.RECORDS_KEPT_MAX:
                self._ended.popitem(last=False)

    def take(self) -> set[str]:
        """Return the calls that changed since the last time."""
        taken, self._changed = self._changed, set()
        return taken

    def lately_ended(self, now_s: float) -> dict[str, EndedLine]:
        """Return the calls that ended a moment ago, and forget those before."""
        over = now_s - limits.records.ENDED_SHOWN_S
        while self._ended and next(iter(self._ended.values())).at_s < over:
            self._ended.popitem(last=False)
        return dict(self._ended)
