"""For how long this machine stood still: a rehearsal in real time cannot be better than it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Final

LOOK_EVERY_S: Final = 0.05
LATE_S: Final = 0.1
"""A look that is later than this did not only wait for its turn."""


@dataclass
class Stalls:
    seconds: float = 0.0

    async def watch(self) -> None:
        """Looks at the clock until it is cancelled."""
        while True:
            asked = monotonic()
            await asyncio.sleep(LOOK_EVERY_S)
            self.count(monotonic() - asked)

    def count(self, waited_s: float) -> None:
        """Waited so long for a look."""
        late_s = waited_s - LOOK_EVERY_S
        if late_s > LATE_S:
            self.seconds += late_s


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Stalls]:
    """Counts as long as it is open."""
    standstill = Stalls()
    watch = asyncio.create_task(standstill.watch())
    try:
        yield standstill
    finally:
        watch.cancel()
