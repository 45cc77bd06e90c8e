"""A call that has cost what it may is not given to an agent again by the next failover step."""

from __future__ import annotations

from gateway_calls import RECEPTION, new_sid
from running_gateway import GatewayRig

from gateway.bridge.spend_limits import spent_key


async def after_transfer(rig: GatewayRig, sid: str) -> str:
    fields = rig.carrier.call_fields(sid, RECEPTION) | {"DialCallStatus": "no-answer"}
    response = await rig.carrier.post("/twilio/after?leg=transfer", fields)
    return response.text


async def test_nobody_took_the_caller_and_there_is_money_left(rig: GatewayRig) -> None:
    assert "<Stream" in await after_transfer(rig, new_sid("CA"))


async def test_nobody_took_the_caller_and_there_is_none(rig: GatewayRig) -> None:
    sid = new_sid("CA")
    await rig.gateway.registry._store.put(spent_key(sid), "", 60.0)
    answer = await after_transfer(rig, sid)
    assert "<Stream" not in answer
    assert "<Say" in answer
