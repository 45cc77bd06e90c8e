"""Garbage collection of a process that serves calls: what it loaded is not looked at again.

A collection that looks at all objects takes some 50 ms, in which every caller hears a gap.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from gateway.limits.process import COLLECT_AFTER, FREEZE_LOOK_S


def freeze() -> None:
    """Take all objects that there are out of every later collection."""
    gc.collect()
    gc.freeze()
    # Again, of nothing: how many objects it finds decides how many make the next one due.
    gc.collect()
    gc.set_threshold(*COLLECT_AFTER)


async def freeze_when_loaded(
    loaded: Callable[[], bool], busy: Callable[[], bool], look_every_s: float = FREEZE_LOOK_S
) -> None:
    """Freeze once more when all is loaded: at once, and anew when no call runs.

    Calls that are frozen with the rest are freed as always, but for objects that refer to each
    other; these go with the second time.
    """
    while not loaded():  # noqa: ASYNC110 - some seconds, once
        await asyncio.sleep(look_every_s)
    if busy():
        gc.freeze()  # takes no time; a collection would
        while busy():  # noqa: ASYNC110
            await asyncio.sleep(look_every_s)
        gc.unfreeze()
    freeze()
