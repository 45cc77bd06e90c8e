"""`<Dial>`: one leg to a person, a queue or the model's SIP connector.

Sources: Twilio docs "TwiML Voice: <Sip>", "Outbound: Receiving SIP from Twilio"; warnings 13252
and 21227.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urljoin
from uuid import uuid4

from gateway.simulator import sip_uri
from gateway.simulator.openai_project import SIP_HOSTS
from gateway.simulator.twilio import enqueue, reachable
from gateway.simulator.twilio.call import API_VERSION, TwilioCall
from gateway.simulator.twilio.dial_recording import DialRecording
from gateway.simulator.twilio.outcomes import (
    END_OF_DOCUMENT,
    DialOutcome,
    NextStep,
    dial_status,
)
from gateway.simulator.twilio.screening import Screening
from gateway.simulator.twilio.sip_leg import CarrierSipLeg
from gateway.simulator.twilio.twiml import TwimlVerb

RING_S: Final = 30.0
RECORDING_READY_S: Final = 0.2
URI_MAX_CHARS: Final = 255
HEADERS_MAX_CHARS: Final = 1024
_HEADER_NAMES: Final = re.compile(
    r"X-[\w-]+|User-to-User|Remote-Party-ID|P-Preferred-Identity|P-Called-Party-ID", re.IGNORECASE
)
Headers = list[dict[str, str]]


async def dial(call: TwilioCall, verb: TwimlVerb, base: str) -> DialOutcome:
    """Dial the first party that the verb names. Return how its leg ended."""
    target = next((c for c in verb.children if c.name in ("Sip", "Number", "Queue")), verb)
    call.line.log("dialled", verb.text or " ".join(f"{c.name}:{c.text}" for c in verb.children))
    outcome = DialOutcome()
    call.dial_outcome = outcome
    recording = DialRecording.of(verb, call.line)
    if recording is not None:
        call.recordings.append(recording)
    try:
        await _dial_target(call, verb, target, base, outcome)
    finally:
        if recording is not None:
            recording.end()
            call.run_in_background(_report(call, recording, urljoin(base, recording.callback)))
    return outcome


async def _report(call: TwilioCall, recording: DialRecording, url: str) -> None:
    """Post what came of a recording, a moment after it has ended."""
    await asyncio.sleep(RECORDING_READY_S)
    fields = {"AccountSid": call.webhooks.account.sid, "CallSid": call.call_sid}
    status = "completed" if recording.samples else "absent"
    if recording.callback and status in recording.reported:
        address = f"https://api.twilio.com/{API_VERSION}/Accounts/{fields['AccountSid']}"
        more = recording.fields(address) | {"RecordingStatus": status}
        await call.post(url, fields | more)


async def _dial_target(
    call: TwilioCall, verb: TwimlVerb, target: TwimlVerb, base: str, outcome: DialOutcome
) -> None:
    if target.name == "Sip":
        await _dial_sip(call, verb, target, base, outcome)
    elif target.name == "Queue":
        await enqueue.dequeue(call, target.text, _ring_s(verb), outcome)
    else:
        await _dial_person(call, target, target.text, base, _ring_s(verb), outcome)


def _ring_s(verb: TwimlVerb) -> float:
    return verb.seconds("timeout", RING_S)


async def _dial_person(
    call: TwilioCall, target: TwimlVerb, party: str, base: str, ring_s: float, outcome: DialOutcome
) -> None:
    person = call.reachable.people.get(party)
    if person is None:  # nobody of the scenario: the number dialled is on record
        outcome.status = "completed"
        return
    if not await reachable.ring(person, ring_s):
        outcome.status = "busy" if person.busy else "no-answer"
        return
    if target.get("url"):
        call.line.log("person_screens", party)
        if not await Screening(call, person, party, outcome).passes(target, base):
            # The status of a leg that answered and was never connected is not documented: this
            # is the one that a gateway could mistake for success.
            outcome.status = "completed"
            return
    call.connect(party)
    outcome.bridge()
    for recording in call.recordings:
        recording.begin()
    await reachable.talk(call, person)


async def _dial_sip(
    call: TwilioCall, verb: TwimlVerb, target: TwimlVerb, base: str, outcome: DialOutcome
) -> None:
    address = checked(call, target.text)
    if address is None:
        return
    if address.host.partition(":")[0].lower() not in SIP_HOSTS:
        await _dial_person(call, target, address.party, base, _ring_s(verb), outcome)
        return
    leg = CarrierSipLeg(call.line, call.faults)
    outcome.sip_call_id = uuid4().hex
    headers = _own_headers(call, address, outcome, verb.get("callerId")) + _passed_on(call, address)
    security = "srtp" if address.parameters.get("secure") == "true" else "rtp"
    invite = {"uri": address.request_uri, "headers": headers, "media": security}
    try:
        status = await leg.ring(
            call.webhooks.client, call.reachable.connector_url, invite, _ring_s(verb)
        )
        outcome.sip_status, outcome.status = status, dial_status(status)
        if status == 200:
            outcome.bridge()
            call.answer()
            for recording in call.recordings:
                recording.begin()
            call.line.log("sip_answered", outcome.sip_call_id)
            outcome.next_step = await converse(call, leg, verb, base)
        else:
            call.line.log("sip_failed", str(status))
    finally:
        call.sip_leg = None
        await leg.close()


def checked(call: TwilioCall, uri: str) -> sip_uri.SipAddress | None:
    """Return the parsed address; None for one that Twilio does not dial."""
    try:
        address = sip_uri.parse(uri)
    except ValueError as error:
        call.line.warn(13224, str(error))
        return None
    if len(uri.partition("?")[0]) >= URI_MAX_CHARS:
        call.line.warn(13224, f"the SIP address has {len(uri)} characters")
        return None
    if address.parameters.get("transport", "udp").lower() not in ("udp", "tcp", "tls"):
        call.line.warn(13224, f"no such transport: {address.parameters['transport']}")
        return None
    return address


def _passed_on(call: TwilioCall, address: sip_uri.SipAddress) -> Headers:
    """Return the headers in the address; one that Twilio does not pass on is a warning."""
    size = sum(len(name) + len(value) + 2 for name, value in address.headers)
    if size >= HEADERS_MAX_CHARS:
        call.line.warn(21227, f"the SIP headers have {size} characters")
        return []
    passed: Headers = []
    for name, value in address.headers:
        if _HEADER_NAMES.fullmatch(name):
            passed.append({"name": name, "value": value})
        else:
            call.line.warn(13252, f"the SIP header {name!r} is not passed on")
    return passed


def _own_headers(
    call: TwilioCall, address: sip_uri.SipAddress, outcome: DialOutcome, caller_id: str
) -> Headers:
    caller, account = caller_id or call.parties.caller, call.webhooks.account
    headers = {
        "From": f"<sip:{caller}@rehearsal.pstn.twilio.com>;tag={uuid4().hex[:8]}",
        "To": f"<{address.request_uri}>",
        "Call-ID": outcome.sip_call_id,
        "CSeq": "1 INVITE",
        "User-Agent": "Twilio Gateway",
        "X-Twilio-ApiVersion": API_VERSION,
        "X-Twilio-AccountSid": account.sid,
        # The leg is a call of its own, with a sid of its own.
        "X-Twilio-CallSid": outcome.call_sid,
    }
    return [{"name": name, "value": value} for name, value in headers.items()]


async def converse(
    call: TwilioCall, leg: CarrierSipLeg, verb: TwimlVerb, base: str
) -> NextStep | None:
    """Carry the sound until the far end hangs up. Return what follows a transfer by REFER."""
    call.sip_leg = leg
    async with aclosing(leg.talk()) as referrals:
        async for address in referrals:
            if url := verb.get("referUrl"):
                return await _referred(call, verb, urljoin(base, url), address)
            call.line.log("refer_refused", address)
    return None


async def _referred(call: TwilioCall, verb: TwimlVerb, url: str, target: str) -> NextStep:
    """Return the document of `referUrl`, to run on the caller's leg; the SIP leg is closed."""
    call.line.log("referred", target)
    fields: dict[str, Any] = {"ReferTransferTarget": target}
    document = await call.fetch(url, fields, method=verb.get("referMethod", "POST"))
    return document if document.verbs else END_OF_DOCUMENT
