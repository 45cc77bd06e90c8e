"""Country codes of one, two and three digits, and what is no number."""

from __future__ import annotations

import pytest

from gateway.protocols.country_codes import country_prefix


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+14155550123", "+1"),
        ("+79161234567", "+7"),
        ("+447700900123", "+44"),
        ("+21620123456", "+216"),
        ("+971501234567", "+971"),
        ("+33612345678", "+33"),
        ("4155550123", ""),
        ("+", ""),
        ("sip:somebody@example.com", ""),
        ("+٤٤١٢", ""),
    ],
)
def test_the_country_of_a_number(number: str, prefix: str) -> None:
    assert country_prefix(number) == prefix
