"""What uses the MCP package can be cancelled, whatever the package makes of it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.tools.mcp_faults import McpUnavailable
from gateway.tools.mcp_task import in_own_task


class Work:
    """Says what it has come to."""

    def __init__(self) -> None:
        self.begun, self.ended, self.cancelled = (asyncio.Event() for _ in range(3))

    async def until_cancelled(self) -> None:
        self.begun.set()
        try:
            await self.ended.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def answers_with_an_error(self) -> None:
        """As a task group does that has taken the cancellation for its own."""
        try:
            await self.until_cancelled()
        except asyncio.CancelledError:
            raise ConnectionError from None

    async def ends_when_told(self) -> None:
        try:
            await self.until_cancelled()
        except asyncio.CancelledError:
            await self.ended.wait()


async def test_what_it_returns_is_returned() -> None:
    async def work() -> str:
        return "booked"

    assert await in_own_task(work()) == "booked"


async def test_what_it_raises_is_raised() -> None:
    async def work() -> None:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        await in_own_task(work())


@pytest.mark.parametrize("kind", ["until_cancelled", "answers_with_an_error"])
async def test_a_cancellation_is_not_lost(kind: str) -> None:
    work = Work()
    task = asyncio.create_task(in_own_task(getattr(work, kind)()))
    await work.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cancelled.is_set()


async def test_its_end_is_waited_for() -> None:
    work = Work()
    task = asyncio.create_task(in_own_task(work.ends_when_told()))
    await work.begun.wait()
    task.cancel()
    await work.cancelled.wait()
    await asyncio.sleep(0)
    assert not task.done()
    work.ended.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_but_not_for_ever() -> None:
    work = Work()
    task = asyncio.create_task(in_own_task(work.ends_when_told(), close_max_s=0.01))
    await work.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    work.ended.set()  # so that nothing is left of it


async def test_one_that_the_package_has_cancelled_is_away() -> None:
    """The task that asked for it was not cancelled, and must not look as if it were."""

    async def work() -> None:
        raise asyncio.CancelledError("Cancelled via cancel scope 7f")

    with pytest.raises(McpUnavailable):
        await in_own_task(work())
