"""A SIP call outlives its process: another one steers it, and the leg notices nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway_calls import new_sid
from redis.asyncio import Redis
from redis_end import RedisEnd, running_redis
from running_gateway import GatewayRig, running_gateway
from vendor import SIP_SETTINGS, Line, Vendor, invite, running_vendor

from gateway.bridge.calls.outbound_state import OutboundState
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.tuning import Tuning

pytestmark = pytest.mark.needs("redis-server")

AGENTS = """
agents:
  direct:
    path: sip
    greeting: Hello.
    instructions: Answer the telephone.
    tools: [end_call]
routes:
  - {to: "*", agent: direct}
"""
TOKEN = "a-token-of-the-operators"
QUICK_S = 0.3


@dataclass
class Town:
    """Two processes that share a store, and a call in the first."""

    first: GatewayRig
    second: GatewayRig
    vendor: Vendor
    redis: RedisEnd
    line: Line

    async def taken_over(self) -> None:
        await self.second.note(events.CallerConnected, of=self.line.call_id)
        await self.vendor.sideband(self.line, 2)
        await self.second.note(events.SidebandConnected, of=self.line.call_id)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running_redis())
        vendor = await stack.enter_async_context(running_vendor())
        first, second = [
            await stack.enter_async_context(
                running_gateway(
                    file,
                    vendor.base_url,
                    Tuning(sip_lease_s=QUICK_S, sip_look_s=QUICK_S / 10),
                    GATEWAY_STORE=redis.url,
                    GATEWAY_ADMIN_TOKEN=TOKEN,
                    GATEWAY_DATA_DIR=str(tmp_path / f"data {nth}"),
                    **SIP_SETTINGS,
                )
            )
            for nth in range(2)
        ]
        line = await vendor.ring(first.client)
        sideband = await vendor.sideband(line)
        await sideband.hears("response.create")
        yield Town(first, second, vendor, redis, line)
        line.end()
        await first.until(lambda: bool(first.said(events.CallEnded)))
        await second.until(lambda: not second.gateway.registry.calls)


async def is_held(town: Town, line: Line | None = None) -> None:
    """The first process has said that the call is its own, and what it is about."""
    call_id = (line or town.line).call_id
    await remembered(town, lambda keys: f"gateway:sip:{call_id}" in keys)
    async with Redis.from_url(town.redis.url) as redis, asyncio.timeout(30):
        while not await redis.hexists("gateway:sip:owners", call_id):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody tells


def is_gone(rig: GatewayRig) -> None:
    """To the others it looks like this: no lease is renewed, nobody is looked for."""
    rig.gateway.registry.draining = True
    never = events.CallEnded(Ending.NEVER_ARRIVED, "", False, 0.0, (), 0, 0, 0)
    for call in rig.gateway.registry.sip_calls:
        rig.gateway.registry.on_event(call, never)


async def record(rig: GatewayRig, key: str) -> dict[str, Any]:
    """What operators are told of a call."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    found: dict[str, Any] = (await rig.client.get(f"/api/calls/{key}", headers=bearer)).json()
    return found


async def remembered(town: Town, holds: Callable[[set[str]], bool]) -> None:
    async with Redis.from_url(town.redis.url, decode_responses=True) as redis:
        async with asyncio.timeout(30):
            while not holds(set(await redis.keys("gateway:sip:*"))):  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # nobody tells


async def test_a_process_that_stops_releases_the_call(town: Town) -> None:
    town.first.gateway.registry.draining = True
    town.first.gateway.registry.hand_over_all(now=True)
    ended = await town.first.note(events.CallEnded, of=town.line.call_id)
    assert ended.ending is Ending.DRAINED
    await town.taken_over()
    assert town.vendor.of("hangup") == []
    assert await town.second.metric("resumes_total", how="adopted") == 1


async def test_it_is_not_greeted_again_and_is_remembered(town: Town) -> None:
    first = town.first.gateway.registry.call(town.line.call_id)
    assert first is not None
    first.machine.history.caller_said("turn_1", "My word is heron.")
    town.first.gateway.registry.hand_over_all(now=True)
    await town.taken_over()
    second = town.second.gateway.registry.call(town.line.call_id)
    assert second is not None
    assert second.machine.history.items[-1].text == "My word is heron."
    assert town.line.sidebands[1].heard == []


async def test_a_process_that_is_gone_is_noticed(town: Town) -> None:
    await is_held(town)
    is_gone(town.first)
    await town.taken_over()


async def test_one_that_we_placed_stays_one(town: Town) -> None:
    """On its bill and in its record too, with the same two ends."""
    call_sid, out = new_sid("CA"), OutboundState("direct", "+14155550177", "+14155550100")
    await town.first.gateway.registry.dials.remember(call_sid, out)
    headers = invite(await town.first.carrier.sip_uri(call_sid))
    placed = await town.vendor.ring(town.first.client, *headers)
    await (await town.vendor.sideband(placed)).hears("response.create")
    await is_held(town, placed)
    is_gone(town.first)
    await town.second.note(events.SidebandConnected, of=placed.call_id)
    call = town.second.gateway.registry.call(placed.call_id)
    assert call is not None
    facts = (call.facts.direction, call.facts.caller, call.facts.dialled, call.facts.call_sid)
    assert facts == ("outbound", out.person, out.ours, call_sid)
    assert (call.bill.direction, call.bill.minutes) == ("outbound", 1)
    assert (await record(town.second, call_sid))["direction"] == "outbound"
    placed.end()
    ended = await town.second.note(events.CallEnded, of=call_sid)
    assert ended.ending is Ending.CALLER_HUNG_UP


async def test_a_function_that_it_had_called_is_answered(town: Town) -> None:
    first = town.first.gateway.registry.call(town.line.call_id)
    assert first is not None
    first.machine.history.called("call_1", "stock", "{}")
    town.first.gateway.registry.hand_over_all(now=True)
    await town.taken_over()
    told = await town.line.sidebands[1].hears("conversation.item.create")
    assert told["item"]["output"] == prompts.NOT_KNOWN
    await town.line.sidebands[1].hears("response.create")


async def test_who_was_asleep_for_too_long_lets_it_go(town: Town) -> None:
    """Two that steer one call would do everything twice."""
    await is_held(town)
    async with Redis.from_url(town.redis.url) as redis:
        await redis.hset("gateway:sip:owners", town.line.call_id, "another")
        ended = await town.first.note(events.CallEnded, of=town.line.call_id)
    assert ended.ending is Ending.DRAINED
    assert town.vendor.of("hangup") == []


async def test_a_call_that_has_ended_is_nobodys(town: Town) -> None:
    await is_held(town)
    town.line.end()
    await town.first.note(events.CallEnded, of=town.line.call_id)
    await remembered(town, lambda keys: not keys)
    assert town.second.said(events.CallerConnected, town.line.call_id) == []


async def test_one_that_ended_while_nobody_steered_it(town: Town) -> None:
    await is_held(town)
    town.line.state = "over"
    is_gone(town.first)
    ended = await town.second.note(events.CallEnded, of=town.line.call_id)
    assert ended.ending is Ending.CALLER_HUNG_UP


async def test_one_of_which_nothing_is_known_is_hung_up(town: Town) -> None:
    """Nobody could steer it, and it would cost on."""
    await is_held(town)
    async with Redis.from_url(town.redis.url) as redis:
        await redis.delete(f"gateway:sip:{town.line.call_id}")
        is_gone(town.first)  # afterwards: the other one would not wait for the deletion
    await town.vendor.hears("hangup")
    assert town.line.state == "over"
    await remembered(town, lambda keys: not keys)
    assert town.second.said(events.CallerConnected, town.line.call_id) == []
