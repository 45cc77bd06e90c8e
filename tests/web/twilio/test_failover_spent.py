"""A call that has cost what it may is not given to an agent again by the next failover step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from gateway_calls import new_sid
from running_gateway import GatewayRig, running_gateway

from gateway.call import events
from gateway.protocols.realtime_server import Usage
from gateway.simulator.openai.main import ModelServer

DESK = "+15550100"
AGENTS = f"""
agents:
  desk: {{model: gpt-realtime-2.1, instructions: Be kind., spend_usd: 0.05}}
routes: [{{to: "{DESK}", agent: desk}}]
"""
SIX_CENTS = msgspec.convert({"output_token_details": {"audio_tokens": 1000}}, Usage)


@pytest.fixture
async def desk(tmp_path: Path, model: ModelServer) -> AsyncIterator[GatewayRig]:
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    async with running_gateway(agents, model) as rig:
        yield rig


async def after_transfer(rig: GatewayRig, sid: str) -> str:
    fields = rig.carrier.call_fields(sid, DESK) | {"DialCallStatus": "no-answer"}
    response = await rig.carrier.post("/twilio/after?leg=transfer", fields)
    return response.text


async def test_nobody_took_the_caller_and_there_is_money_left(desk: GatewayRig) -> None:
    assert "<Stream" in await after_transfer(desk, new_sid("CA"))


async def test_nobody_took_the_caller_and_there_is_none(desk: GatewayRig) -> None:
    async with desk.carrier.call(DESK) as stream:
        (call,) = desk.gateway.registry.calls
        desk.gateway.events.publish(call, events.UsageCounted("gpt-realtime-2.1", SIX_CENTS))
        await stream.stop()
        await desk.note(events.CallEnded)
    answer = await after_transfer(desk, stream.call_sid)
    assert "<Stream" not in answer
    assert "<Say" in answer
