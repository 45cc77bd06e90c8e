"""Looks at calls that were written down a while ago, so that they need not be again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from gateway import limits

Look = tuple[str, str, str]
"""Who looked, the action, and the call."""


class RecentLooks:
    """Remembers the newest looks, each for a while."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._looks: OrderedDict[Look, float] = OrderedDict()

    def is_new(self, look: Look) -> bool:
        """Return whether a look is to be written down, and remember it then."""
        now = self._clock()
        at_s = self._looks.get(look)
        if at_s is not None and now - at_s < limits.api.LOOKS_AUDITED_EVERY_S:
            return False
        self._looks[look] = now
        self._looks.move_to_end(look)
        if len(self._looks) > limits.api.LOOKS_REMEMBERED_MAX:
            self._looks.popitem(last=False)
        return True
