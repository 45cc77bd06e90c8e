"""What the parts of the mind share: the time, the outgoing tray, the timers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.call.commands import Command, SendToModel
from gateway.call.events import CallEvent
from gateway.call.timers import Timer, Timers

Out = Command | CallEvent

NOTHING: Final[Sequence[Out]] = ()
"""The answer to an event that changed nothing, not even when the mind wants to be woken."""


class CallContext:
    def __init__(self, new_id: Callable[[], str], now: float) -> None:
        self.now = now
        self.new_id = new_id
        self.timers = Timers()
        self._out: list[Out] = []
        self._closed = False

    def put(self, out: Out) -> None:
        if not self._closed:
            self._out.append(out)

    def to_model(self, data: bytes) -> None:
        self.put(SendToModel(data))

    def close(self) -> None:
        """The last word is on the tray: nothing is said after it, whoever is still at work."""
        self._closed = True

    def wake(self, timer: Timer, after_s: float) -> None:
        self.timers.set(timer, self.now + after_s)

    def take(self) -> list[Out]:
        out, self._out = self._out, []
        return out
