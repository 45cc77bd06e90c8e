"""A caller who withholds their number has none, whatever a carrier sends in its place."""

from __future__ import annotations

import pytest

from gateway.protocols.caller_id import known_party
from gateway.protocols.twilio_webhooks import parse_voice

WITHHELD = [
    "anonymous", "Anonymous", "Restricted", "unavailable", "BLOCKED", "unknown",
    "+266696687", "266696687", "+7378742833", "+2562533", "+8656696", "+86282452253",
    "sip:anonymous@anonymous.invalid", "sip:ann@anonymous.invalid", "sip:Restricted@example.com",
]  # fmt: skip


@pytest.mark.parametrize("party", WITHHELD)
def test_a_withheld_number_is_none(party: str) -> None:
    assert known_party(party) == ""


@pytest.mark.parametrize(
    "party",
    ["+15550100", "+2666966871", "client:anonymous", "sip:ann@example.com", "anonymouse", ""],
)
def test_every_other_party_stays_as_it_is(party: str) -> None:
    assert known_party(party) == party


@pytest.mark.parametrize("caller", WITHHELD)
def test_a_call_from_nobody_has_no_caller(caller: str) -> None:
    fields = {"CallSid": "CA" + "1" * 32, "From": caller, "To": "+15550100"}
    assert parse_voice(fields).caller == ""
