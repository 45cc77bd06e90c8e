"""Bound on log lines of one kind: strangers cause some, a thousand a second if they like.

A line takes a tenth of a millisecond of every call's time, and a full disk takes the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from gateway import limits


class LogFlood(logging.Filter):
    """Leaves lines out beyond a rate for each event; the next one that is logged says how many."""

    def __init__(
        self,
        burst: int = limits.process.LOG_LINES_BURST,
        per_s: float = limits.process.LOG_LINES_PER_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__()
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._kinds: dict[str, _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return True  # who asks for these wants them all
        # Ours are dictionaries; those of packages are a text, with its arguments apart.
        fields = record.msg if isinstance(record.msg, dict) else None
        name = str(record.msg if fields is None else fields.get("event"))
        kind, now = self._kinds.get(name), self._clock()
        if kind is None:
            if len(self._kinds) >= limits.process.LOG_KINDS_MAX:
                self._kinds.clear()
            kind = self._kinds[name] = _Kind(self._burst, now)
        kind.left = min(self._burst, kind.left + (now - kind.at) * self._per_s)
        kind.at = now
        if kind.left < 1:
            kind.left_out += 1
            return False
        kind.left -= 1
        if kind.left_out:
            if fields is None:
                record.msg = f"{name} [{kind.left_out} such lines left out]"
            else:
                record.msg = fields | {"lines_left_out": kind.left_out}
            kind.left_out = 0
        return True


class _Kind:
    """Lines of one event: how many may come now, and how many were left out."""

    __slots__ = ("at", "left", "left_out")

    def __init__(self, left: float, at: float) -> None:
        self.left, self.at, self.left_out = left, at, 0
