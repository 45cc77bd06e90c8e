"""Work that holds the event loop up for milliseconds comes one at a time, with room between.

A connection to the model costs about as much as a hundred frames of sound. Two hundred of them in
a row would be a second in which nobody on the line hears anything.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from gateway.limits import TURNSTILE_S


class Turnstile:
    def __init__(self) -> None:
        self._free_at = 0.0

    async def enter(self, crowd_s: float = 0.0) -> None:
        """In the order of coming; at once when nobody came just before.

        Whoever is one of a crowd waits for at least `crowd_s`: the others are let come first.
        """
        now = monotonic()
        at = max(self._free_at, now + crowd_s) if self._free_at > now else now
        self._free_at = at + TURNSTILE_S
        if at > now:
            await asyncio.sleep(at - now)
