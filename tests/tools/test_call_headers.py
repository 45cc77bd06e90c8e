"""Headers that say for which call a request is made."""

from __future__ import annotations

import pytest

from gateway.tools.call_headers import call_headers, header_value
from gateway.tools.python import ToolContext


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("desk 1", "desk 1"),
        ("100%", "100%25"),
        ("a\r\nb: c", "a%0D%0Ab: c"),
        ("é", "%C3%A9"),
        ("\x00", "%00"),
    ],
)
def test_a_header_has_one_plain_line(value: str, sent: str) -> None:
    assert header_value(value) == sent


def test_a_trunk_call_without_a_sid_has_a_trace_of_its_own() -> None:
    one, other = (
        call_headers(ToolContext("", "", "", "desk", call_id=name))["traceparent"].split("-")[1]
        for name in ("rtc_1", "rtc_2")
    )
    assert one != other
