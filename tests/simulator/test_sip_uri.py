"""SIP addresses, held to examples and to whatever hypothesis thinks of."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.sip_uri import parse


def test_every_part_of_an_address() -> None:
    uri = "sip:proj_x@sip.api.openai.com:5061;transport=tls;lr?X-A=a%20b&x-a=2"
    address = parse(uri)
    assert (address.scheme, address.user, address.host) == (
        "sip",
        "proj_x",
        "sip.api.openai.com:5061",
    )
    assert address.parameters == {"transport": "tls", "lr": ""}
    assert address.headers == (("X-A", "a b"), ("x-a", "2"))
    assert address.request_uri == uri.partition("?")[0]


@pytest.mark.parametrize(
    ("uri", "party"),
    [
        ("tel:+15550123", "+15550123"),
        ("sip:+15550123@carrier.example;user=phone", "+15550123"),
        ("sips:ann@desk.example", "sips:ann@desk.example"),
        ("SIP:ann@desk.example", "sip:ann@desk.example"),
    ],
)
def test_whom_an_address_reaches(uri: str, party: str) -> None:
    assert parse(uri).party == party


@pytest.mark.parametrize(
    "uri", ["", "ann", "sip:", "sip:@h", "sip:a@", "sip:h", "http://a@b", "sip:a b@c", "<sip:a@b>"]
)
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(ValueError, match="SIP address"):
        parse(uri)


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda rest: f"sip:a@b{rest}"))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text).user
