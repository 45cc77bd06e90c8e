"""What was loaded is frozen once, and no call with it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.cli.garbage import freeze, freeze_when_loaded


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    # The tests' own process has frozen what was collected, some of which nobody refers to.
    before, thresholds = gc.get_freeze_count(), gc.get_threshold()
    gc.unfreeze()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    if before:
        gc.freeze()


def test_no_collection_looks_at_what_was_frozen() -> None:
    kept = [[number] for number in range(5000)]
    before = gc.get_freeze_count()
    freeze()
    assert gc.get_freeze_count() > before + len(kept)
    assert len(gc.get_objects()) < len(kept)


async def test_calls_are_not_kept_frozen() -> None:
    loaded, calls, looks = False, 1, 0

    def busy() -> bool:
        nonlocal looks
        looks += 1
        return calls > 0

    before = gc.get_freeze_count()
    freezing = asyncio.create_task(freeze_when_loaded(lambda: loaded, busy, 0))
    await asyncio.sleep(0)
    assert gc.get_freeze_count() == before, "while it is not loaded"
    ring: list[object] = []
    ring.append(ring)
    of_a_call = weakref.ref(call := Call(ring))
    ring.append(call)
    loaded = True
    while looks < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert gc.get_freeze_count() > before, "what was loaded is frozen while calls run"
    del ring, call
    gc.collect()
    assert of_a_call() is not None
    calls = 0
    await freezing
    assert of_a_call() is None
    assert gc.get_freeze_count() > before


class Call:
    """Something that refers to itself."""

    def __init__(self, ring: list[object]) -> None:
        self.ring = ring
