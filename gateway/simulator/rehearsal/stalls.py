"""Stalls of this machine: a rehearsal in real time cannot be more punctual than it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Final

SAMPLE_S: Final = 0.05
LATE_S: Final = 0.1
"""A sample that is later than this was not only waiting for the event loop."""


@dataclass
class Stalls:
    """Time for which this process did not run."""

    seconds: float = 0.0

    async def watch(self) -> None:
        """Sample the clock until cancelled."""
        while True:
            asked = monotonic()
            await asyncio.sleep(SAMPLE_S)
            self.count(monotonic() - asked)

    def count(self, waited_s: float) -> None:
        """Count what was waited for a sample beyond its interval."""
        late_s = waited_s - SAMPLE_S
        if late_s > LATE_S:
            self.seconds += late_s


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Stalls]:
    """Count stalls for as long as the context is open."""
    stalls = Stalls()
    watch = asyncio.create_task(stalls.watch())
    try:
        yield stalls
    finally:
        watch.cancel()
