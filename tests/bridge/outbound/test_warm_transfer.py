"""A warm transfer whose webhooks come in at two processes, over a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from gateway_calls import RECEPTION, new_sid
from redis_end import RedisEnd, running_redis
from running_gateway import ACCOUNT, PUBLIC_URL
from twilio_rest_double import RestDesk, rest_desk

from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.outbound.warm_transfer import WarmTransfer, WarmTransfers
from gateway.call.commands import TransferCaller
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics
from gateway.transports.twilio_rest import TwilioRest

pytestmark = pytest.mark.needs("redis-server")
DESK = TransferCaller("+15550199", "warm", "Mister Lee.")


@asynccontextmanager
async def process(redis: RedisEnd, desk: RestDesk) -> AsyncIterator[WarmTransfers]:
    rest, tasks = TwilioRest(desk.url, ACCOUNT, "12345"), Tasks()
    yield WarmTransfers(PUBLIC_URL, redis.store(), Metrics(AddedLatency()), tasks, rest)
    await tasks.stop()
    await rest.close()


@asynccontextmanager
async def two() -> AsyncIterator[tuple[WarmTransfers, WarmTransfers, RestDesk]]:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running_redis())
        desk = await stack.enter_async_context(rest_desk())
        one = await stack.enter_async_context(process(redis, desk))
        other = await stack.enter_async_context(process(redis, desk))
        yield one, other, desk


async def begun(one: WarmTransfers, other: WarmTransfers) -> WarmTransfer:
    warm = await one.begin(new_sid("CA"), RECEPTION, DESK, "en")
    assert await other.find(warm.id) == warm
    return warm


async def test_one_person_is_called_and_their_key_is_known_to_both_processes() -> None:
    async with two() as (one, other, desk):
        warm = await begun(one, other)
        asked = (asked_of.waits_on(warm, 0) for asked_of in (one, other, one, other))
        assert await asyncio.gather(*asked) == [True] * 4
        await desk.hears_of("POST /Calls.json")
        assert await other.accept(warm)
        await one.nobody_comes(warm, "declined")
        assert await one.waits_on(warm, 20), "until they are connected"
        await other.person_is_over(warm, "declined")
        assert not await one.waits_on(warm, 40), (
            "the person pressed the key and was never connected"
        )
        assert len(desk.asked) == 1


async def test_the_caller_hangs_up_at_one_while_the_key_is_pressed_at_the_other() -> None:
    """Whoever is first: never is somebody taken who is told to be gone, nor the reverse."""
    async with two() as (one, other, desk):
        for _ in range(20):
            warm = await begun(one, other)
            await one.waits_on(warm, 0)
            taken, _ = await asyncio.gather(other.accept(warm), one.call_is_over(warm.call_sid))
            outcomes = {await process.outcome(warm) for process in (one, other)}
            assert outcomes == {"accepted" if taken else "caller_hung_up"}
        assert len(desk.of("POST /Calls.json")) <= 20


async def test_a_caller_is_brought_back_once_whichever_process_is_asked() -> None:
    async with two() as (one, other, desk):
        warm = await begun(one, other)
        await one.waits_on(warm, 0)
        await desk.hears_of("POST /Calls.json")
        await asyncio.gather(*(p.person_is_over(warm, "busy") for p in (one, other, one)))
        await desk.hears_of(f"POST /Calls/{warm.call_sid}.json")
        assert await one.waits_on(warm, 16), "the order is on its way"
        assert not await other.waits_on(warm, 32)
    assert len(desk.of(f"POST /Calls/{warm.call_sid}.json")) == 1
