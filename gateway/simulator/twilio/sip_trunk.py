"""Elastic SIP Trunk: a call that goes straight to the model's SIP address, without TwiML.

Sources: Twilio docs "Elastic SIP Trunking", `Trunks` resource (TransferMode, DisasterRecoveryUrl).
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final
from uuid import uuid4

from gateway.simulator import sip_uri
from gateway.simulator.twilio import reachable
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.outcomes import CallOutcome, Fetch, NextStep, Trunk, dial_status
from gateway.simulator.twilio.sip_leg import CarrierSipLeg

RING_S: Final = 30.0
FAR_END_HUNG_UP: Final = CallOutcome("gateway", "far_end_hung_up")
PERSON_HUNG_UP: Final = CallOutcome("gateway", "transferred_and_over")


async def carry(call: TwilioCall, trunk: Trunk) -> NextStep:
    """Carry the whole call, or return what Twilio does when the origination address fails."""
    leg = CarrierSipLeg(call.line, call.faults)
    invite = {"uri": trunk.uri, "headers": _headers(call, trunk), "media": trunk.media}
    try:
        status = await leg.ring(call.webhooks.client, call.reachable.connector_url, invite, RING_S)
        if status != 200:
            return _failed(call, trunk, status)
        call.answer()
        call.line.log("trunk_answered")
        return await _converse(call, leg, trunk)
    finally:
        call.sip_leg = None
        await leg.close()


def _failed(call: TwilioCall, trunk: Trunk, status: int) -> NextStep:
    """Return the step after a failure: a trunk fails over on 5xx and 408, a 4xx is an answer."""
    call.line.log("trunk_failed", str(status))
    if trunk.disaster_recovery_url and (500 <= status < 600 or status == 408):
        return Fetch(trunk.disaster_recovery_url)
    return CallOutcome("gateway", f"rejected_{status}", dial_status(status))


def _headers(call: TwilioCall, trunk: Trunk) -> list[dict[str, str]]:
    """Return the SIP headers; a trunk adds no custom ones, and To is the dialled number."""
    headers = {
        "From": f"<sip:{call.parties.caller}@rehearsal.pstn.twilio.com>;tag={uuid4().hex[:8]}",
        "To": f"<sip:{call.parties.called}@{sip_uri.parse(trunk.uri).host}>",
        "Call-ID": uuid4().hex,
        "CSeq": "1 INVITE",
        "User-Agent": "Twilio Gateway",
    }
    if trunk.diversion:
        headers["Diversion"] = f"<sip:{trunk.diversion}@twilio.com>;reason=unconditional"
    return [{"name": name, "value": value} for name, value in headers.items()]


async def _converse(call: TwilioCall, leg: CarrierSipLeg, trunk: Trunk) -> NextStep:
    call.sip_leg = leg
    async with aclosing(leg.talk()) as referrals:
        async for address in referrals:
            if await _transfer(call, leg, trunk, address):
                return PERSON_HUNG_UP
    return FAR_END_HUNG_UP


async def _transfer(call: TwilioCall, leg: CarrierSipLeg, trunk: Trunk, target: str) -> bool:
    """Transfer the caller. Return whether the target answered; until then the model talks on."""
    address = sip_uri.parse(target)
    allowed = {"enable-all": ("tel", "sip", "sips"), "sip-only": ("sip", "sips")}
    person = call.reachable.people.get(address.party)
    if address.scheme not in allowed.get(trunk.transfer_mode, ()) or person is None:
        call.line.log("refer_refused", target)
        return False
    call.line.log("referred", target)
    if not await reachable.ring(person, RING_S):
        call.line.log("refer_failed", target)
        return False
    call.connect(address.party)
    await leg.close()
    call.line.stop_playback()
    await reachable.talk(call, person)
    return True
