"""Signatures by the vectors of the fact sheet, and by Twilio's own validator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator

from gateway.simulator.twilio.signing import signature

FIELDS = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("HMAC_SHA1", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("HMAC_SHA256", "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="),
    ],
)
def test_a_form(algorithm, expected):
    assert signature("12345", URL, FIELDS, algorithm) == expected


def test_a_handshake():
    expected = "xOtUNom2O6Ixz0xt8ODDv8MkQUY="
    assert signature("12345", "wss://gw.example.com/twilio/media") == expected


def test_a_json_body():
    digest = "85264246de8d570722726062407cde49dc5bb2c2569c179765b178e3ffe30825"
    url = f"https://h.example/x?bodySHA256={digest}"
    assert signature("12345", url) == "TtnW9nqBbTadRbhdZzOYnghgSwg="


def test_overrides_in_the_fragment_are_not_signed():
    assert signature("12345", URL + "#rc=2&rp=all", FIELDS) == signature("12345", URL, FIELDS)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(text, st.lists(text, min_size=1, max_size=3), max_size=6))
def test_twilios_own_validator_agrees(fields):
    given_signature = signature("12345", URL, fields)
    form = FormData([(name, value) for name, values in fields.items() for value in values])
    assert RequestValidator("12345").validate(URL, form, given_signature)
