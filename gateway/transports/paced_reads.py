"""Reads of HTTP connections, a few in each turn of the event loop.

A thousand connections that speak at once would all be read and answered in one turn, and the sound
of every call would wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from gateway.limits.web import READS_PER_TURN


class Reader(Protocol):
    """Connection whose data may have to wait."""

    def read(self, data: bytes) -> None:
        """Handle what came, and read on."""


class PacedReads:
    """Lets so many reads be handled in a turn; the others wait, in order, for the turns to come."""

    def __init__(self, per_turn: int = READS_PER_TURN) -> None:
        self._per_turn = self._left = per_turn
        self._waiting: deque[tuple[Reader, bytes]] = deque()
        self._turn_comes = False

    def wait(self, reader: Reader, data: bytes, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether a read is to wait; if so, the reader gets it later."""
        if not self._turn_comes:
            self._turn_comes = True
            loop.call_soon(self._turn, loop)
        if self._left and not self._waiting:
            self._left -= 1
            return False
        self._waiting.append((reader, data))
        return True

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left, waiting = self._per_turn, self._waiting
        try:
            while waiting and self._left:
                self._left -= 1
                reader, data = waiting.popleft()
                reader.read(data)
        finally:
            # Whatever one reader raises: those behind it would wait for ever.
            self._turn_comes = self._left < self._per_turn
            if self._turn_comes:
                loop.call_soon(self._turn, loop)
