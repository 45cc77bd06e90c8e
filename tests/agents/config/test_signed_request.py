"""Signed requests in the agents file: where they go, and which secrets they name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.agents.config.signed_request import SignedRequest


def test_the_secret_is_that_of_events_unless_it_names_another() -> None:
    plain = SignedRequest(url="https://a.example/")
    assert (plain.secret_name, plain.header_secrets) == ("GATEWAY_EVENTS_SECRET", frozenset())
    headers = {"Authorization": "Bearer ${TOKEN}", "X-Two": "${A}${B}"}
    other = SignedRequest(url="https://a.example/", secret="${BANK}", headers=headers)
    assert (other.secret_name, other.header_secrets) == ("BANK", {"TOKEN", "A", "B"})


@pytest.mark.parametrize("secret", ["", "BANK", "whsec_YQ==", "${BANK}x", " ${BANK}", "${1BANK}"])
def test_a_secret_itself_does_not_stand_in_the_file(secret: str) -> None:
    with pytest.raises(ValidationError):
        SignedRequest(url="https://a.example/", secret=secret)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "https://user@a.example/",
        "https://a.example/#part",
        "https://a.example/{call.sid}",
        "https://a.example:0/",
        "https://a.example?query",
    ],
)
def test_an_address_has_nothing_of_the_call_in_it(url: str) -> None:
    with pytest.raises(ValidationError):
        SignedRequest(url=url)


def test_private_addresses_have_to_be_allowed() -> None:
    assert not SignedRequest(url="http://10.0.0.1/").allow_private
