"""SIP calls count among their agent's and their caller's: one too many hears that it is busy."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_calls import new_sid
from running_gateway import GatewayRig, running_gateway
from vendor import SIP_SETTINGS, TRUNK_HEADERS, Line, running_vendor

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending

AGENTS = """
agents:
  small:
    path: sip
    instructions: Answer the telephone.
    max_calls: 1
  large:
    path: sip
    instructions: Answer the telephone.
routes:
  - {to: "+15550100", agent: small}
  - {to: "*", agent: large}
"""
OTHER_CALLER = ("From", "<sip:+14155550124@example.pstn.twilio.com>;tag=1")
SMALL = TRUNK_HEADERS[1]
LARGE = ("To", "<sip:+15550101@sip.api.openai.com>")


@pytest.fixture
def limited_agents(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


async def is_over(rig: GatewayRig, line: Line) -> None:
    line.end()
    await rig.note(events.CallEnded, of=line.call_id)


async def test_an_agent_has_so_many_calls_and_then_is_busy(limited_agents: Path) -> None:
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        first = await vendor.ring(rig.client, TRUNK_HEADERS[0], SMALL)
        await vendor.sideband(first)
        second = await vendor.ring(rig.client, OTHER_CALLER, SMALL)
        turned_away = await vendor.hears("reject")
        assert (turned_away.call_id, turned_away.body) == (second.call_id, {"status_code": 486})
        assert await rig.metric("sip_decisions_total", decision="agent_full") == 1
        await vendor.sideband(await vendor.ring(rig.client, OTHER_CALLER, LARGE))
        await is_over(rig, first)
        third = await vendor.ring(rig.client, OTHER_CALLER, SMALL)
        await vendor.sideband(third)
        assert len(vendor.of("reject")) == 1


async def test_a_caller_is_in_so_many_calls_and_then_hears_it_is_busy(limited_agents: Path) -> None:
    settings = SIP_SETTINGS | {"GATEWAY_MAX_CALLS_PER_CALLER": "1"}
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **settings) as rig,
    ):
        first = await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
        await vendor.sideband(first)
        await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
        assert (await vendor.hears("reject")).body == {"status_code": 486}
        assert await rig.metric("sip_decisions_total", decision="caller_busy") == 1
        await vendor.sideband(await vendor.ring(rig.client, OTHER_CALLER, LARGE))
        await is_over(rig, first)
        await vendor.sideband(await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE))


async def test_a_call_that_is_not_accepted_leaves_its_place(limited_agents: Path) -> None:
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        vendor.answers["accept"].append(404)  # the caller is gone
        gone = await vendor.ring(rig.client, TRUNK_HEADERS[0], SMALL)
        await rig.note(events.CallEnded, of=gone.call_id)
        await vendor.sideband(await vendor.ring(rig.client, TRUNK_HEADERS[0], SMALL))
        assert vendor.of("reject") == []


async def test_a_gateway_that_closes_keeps_no_slot(limited_agents: Path) -> None:
    """And 503 is what a trunk fails over on."""
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        rig.gateway.registry.draining = True
        await vendor.ring(rig.client, TRUNK_HEADERS[0], SMALL)
        assert (await vendor.hears("reject")).body == {"status_code": 503}
        rig.gateway.registry.draining = False
        await vendor.sideband(await vendor.ring(rig.client, TRUNK_HEADERS[0], SMALL))


async def test_what_is_left_of_the_model_belongs_to_the_calls_that_run(
    limited_agents: Path,
) -> None:
    """A carrier that gets 503 tries elsewhere; our own dial takes the next failover step."""
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        running = await vendor.sideband(await vendor.ring(rig.client, OTHER_CALLER, SMALL))
        left = {"name": "tokens", "limit": 1000, "remaining": 1, "reset_seconds": 60.0}
        running.say("rate_limits.updated", rate_limits=[left])
        await rig.note(events.RateLimitsSeen)
        line = await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
        turned_away = await vendor.hears("reject")
        assert (turned_away.call_id, turned_away.body) == (line.call_id, {"status_code": 503})
        answer = (await rig.carrier.ring(new_sid("CA"), "+15550101")).text
        assert "<Sip" not in answer
        assert "<Say" in answer
        assert await rig.metric("sip_decisions_total", decision="rate_limited") == 1
        assert await rig.metric("calls_refused_total", reason="rate_limited") == 1


async def test_a_model_that_is_down_is_not_dialled(limited_agents: Path) -> None:
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        for _ in range(limits.model.BREAKER_FAILURES):
            vendor.answers["accept"].append(401)
            refused = await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
            await rig.note(events.CallEnded, of=refused.call_id)
        assert await rig.metric("breaker_open") == 1
        answer = (await rig.carrier.ring(new_sid("CA"), "+15550101")).text
        assert "<Sip" not in answer
        assert await rig.metric("calls_refused_total", reason="model_down") == 1


async def test_callers_who_give_up_say_nothing_of_the_model(limited_agents: Path) -> None:
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        for n in range(limits.model.BREAKER_FAILURES + 1):
            vendor.answers["accept"].append(409 if n % 2 else 404)
            line = await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
            ended = await rig.note(events.CallEnded, of=line.call_id)
            assert (ended.ending, ended.arrived) == (Ending.NEVER_ARRIVED, False)
        assert await rig.metric("breaker_open") == 0
        assert (
            await rig.metric("sip_decisions_total", decision="gone")
            == limits.model.BREAKER_FAILURES + 1
        )
        assert vendor.of("hangup") == []


async def test_a_sideband_shows_that_the_model_is_there(limited_agents: Path) -> None:
    """Failures of days are not five in a row."""
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        for _ in range(limits.model.BREAKER_FAILURES + 1):
            vendor.answers["accept"].append(401)
            refused = await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
            ended = await rig.note(events.CallEnded, of=refused.call_id)
            assert ended.ending is Ending.MODEL_REFUSED
            taken = await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE)
            await rig.note(events.SidebandConnected, of=taken.call_id)
            await is_over(rig, taken)
        assert await rig.metric("breaker_open") == 0


async def test_a_leg_that_only_the_carrier_says_is_over_is_nobodys_failure(
    limited_agents: Path,
) -> None:
    async with (
        running_vendor() as vendor,
        running_gateway(limited_agents, vendor.base_url, **SIP_SETTINGS) as rig,
    ):
        board = rig.gateway.registry
        lines = [await vendor.ring(rig.client, TRUNK_HEADERS[0], LARGE) for _ in range(6)]
        for line in lines:
            await rig.note(events.SidebandConnected, of=line.call_id)
        board.dial_is_over("")
        for line in lines:
            ended = await rig.note(events.CallEnded, of=line.call_id)
            assert ended.ending is Ending.MODEL_LOST
        assert await rig.metric("breaker_open") == 0
