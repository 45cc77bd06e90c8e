"""A call over an Elastic SIP Trunk: straight to the model's SIP address, with no TwiML.

Sources: Twilio docs "Elastic SIP Trunking", `Trunks` resource (TransferMode, DisasterRecoveryUrl).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from gateway.simulator import sip_uri
from gateway.simulator.twilio import reachable
from gateway.simulator.twilio.outcomes import CallOutcome, Fetch, NextStep, Trunk
from gateway.simulator.twilio.reachable import status_of
from gateway.simulator.twilio.sip_leg import SipLeg

if TYPE_CHECKING:
    from gateway.simulator.twilio.call import TwilioCall

RING_S: Final = 30.0
FAR_END_HUNG_UP: Final = CallOutcome("gateway", "far_end_hung_up")
PERSON_HUNG_UP: Final = CallOutcome("gateway", "transferred_and_over")


async def carry(call: TwilioCall, trunk: Trunk) -> NextStep:
    """The whole call; what Twilio does instead where the origination address fails."""
    leg = SipLeg(call.line, call.faults)
    invite = {"uri": trunk.uri, "headers": _headers(call, trunk), "media": trunk.media}
    try:
        status = await leg.ring(call.webhooks.client, call.exchange.connector_url, invite, RING_S)
        if status != 200:
            return _failed(call, trunk, status)
        reachable.answer(call)
        call.line.note("trunk_answered")
        return await _converse(call, leg, trunk)
    finally:
        call.leg = None
        await leg.close()


def _failed(call: TwilioCall, trunk: Trunk, status: int) -> NextStep:
    """A trunk fails over on 5xx and on silence; a 4xx is an answer, and 486 says busy."""
    call.line.note("trunk_failed", str(status))
    if trunk.disaster_recovery_url and (500 <= status < 600 or status == 408):
        return Fetch(trunk.disaster_recovery_url)
    return CallOutcome("gateway", f"rejected_{status}", status_of(status))


def _headers(call: TwilioCall, trunk: Trunk) -> list[dict[str, str]]:
    """No header of our own can be added on a trunk; To is whom the caller has dialled."""
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


async def _converse(call: TwilioCall, leg: SipLeg, trunk: Trunk) -> NextStep:
    call.leg = leg
    talking = asyncio.create_task(leg.talk())
    try:
        while True:
            referral = asyncio.ensure_future(leg.referrals.get())
            await asyncio.wait({talking, referral}, return_when=asyncio.FIRST_COMPLETED)
            if not referral.done():
                referral.cancel()
                return FAR_END_HUNG_UP
            if await _transfer(call, leg, trunk, referral.result()):
                return PERSON_HUNG_UP
    finally:
        talking.cancel()
        await asyncio.wait({talking})


async def _transfer(call: TwilioCall, leg: SipLeg, trunk: Trunk, target: str) -> bool:
    """Whether somebody took the call: until then the caller stays with the model."""
    address = sip_uri.parse(target)
    allowed = {"enable-all": ("tel", "sip", "sips"), "sip-only": ("sip", "sips")}
    person = call.exchange.people.get(address.party)
    if address.scheme not in allowed.get(trunk.transfer_mode, ()) or person is None:
        call.line.note("refer_refused", target)
        return False
    call.line.note("referred", target)
    if not await reachable.reach(call, person, address.party, RING_S):
        call.line.note("refer_failed", target)
        return False
    await leg.close()
    call.line.hush()
    await reachable.talk(call, person)
    return True
