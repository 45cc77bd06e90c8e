"""A call that has cost what it may is not given to an agent again by the next rung."""

from __future__ import annotations

from gateway_calls import RECEPTION, new_sid
from running_gateway import House

from gateway.bridge.spend_limits import spent_key


async def after_transfer(house: House, sid: str) -> str:
    fields = house.carrier.call_fields(sid, RECEPTION) | {"DialCallStatus": "no-answer"}
    response = await house.carrier.post("/twilio/after?leg=transfer", fields)
    return response.text


async def test_nobody_took_the_caller_and_there_is_money_left(house: House) -> None:
    assert "<Stream" in await after_transfer(house, new_sid("CA"))


async def test_nobody_took_the_caller_and_there_is_none(house: House) -> None:
    sid = new_sid("CA")
    await house.gateway.switchboard._store.put(spent_key(sid), "", 60.0)
    answer = await after_transfer(house, sid)
    assert "<Stream" not in answer
    assert "<Say" in answer
