"""An end that waits is let go when the carrier says that the call is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.bridge.failover.carrier_end import CarrierEnd
from gateway.call.endings import Ending
from gateway.errors import StoreError


async def let_go(ending: Ending | StoreError | None) -> list[str]:
    over, tasks = list[str](), list[asyncio.Task[None]]()

    async def ending_of(_call_sid: str) -> Ending | None:
        if isinstance(ending, StoreError):
            raise ending
        return ending

    def start(work: Coroutine[Any, Any, None], _name: str) -> None:
        tasks.append(asyncio.get_running_loop().create_task(work))

    CarrierEnd(ending_of, over.append, start, wait_s=0.0).reported("CA1")
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    return over


@pytest.mark.parametrize("ending", [Ending.MEDIA_BROKEN, Ending.TRANSFERRED, StoreError("away")])
async def test_what_might_have_gone_on_is_over(ending: Ending | StoreError) -> None:
    assert await let_go(ending) == ["CA1"]


async def test_the_end_of_the_stream_may_come_after_the_report() -> None:
    asked = list[str]()

    async def ending_of(call_sid: str) -> None:
        asked.append(call_sid)

    tasks = list[asyncio.Task[None]]()

    def start(work: Coroutine[Any, Any, None], _name: str) -> None:
        tasks.append(asyncio.get_running_loop().create_task(work))

    CarrierEnd(ending_of, print, start, wait_s=0.0).reported("CA1")
    assert asked == []
    await asyncio.sleep(0)
    assert asked == [], "it has waited for once"
    await asyncio.gather(*tasks)
    assert asked == ["CA1"]


@pytest.mark.parametrize("ending", [None, Ending.CALLER_HUNG_UP])
async def test_what_waits_for_nothing_is_left(ending: Ending | None) -> None:
    assert await let_go(ending) == []
