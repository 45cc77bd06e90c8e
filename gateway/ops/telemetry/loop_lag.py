"""Lag of the event loop: every caller hears a blocked loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from gateway import limits


async def watch_loop(observe: Callable[[float], None]) -> None:
    """Runs until cancelled; reports seconds of lag ten times a second."""
    while True:
        asked = monotonic()
        await asyncio.sleep(limits.process.LAG_PROBE_S)
        observe(max(0.0, monotonic() - asked - limits.process.LAG_PROBE_S))
