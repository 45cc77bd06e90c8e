"""Keys of a call: by which this process and its limits know it."""

from __future__ import annotations

import pytest

from gateway.call.call_info import CallInfo

SID, LEG = "CA" + "1" * 32, "rtc_1"


@pytest.mark.parametrize(
    ("call_sid", "call_id", "direction", "key", "slot_key"),
    [
        (SID, "", "inbound", SID, SID),
        (SID, LEG, "inbound", LEG, SID),
        ("", LEG, "inbound", LEG, LEG),
        (SID, LEG, "outbound", SID, SID),
    ],
)
def test_keys(call_sid: str, call_id: str, direction: str, key: str, slot_key: str) -> None:
    facts = CallInfo(call_sid, "", "", "desk", "sip", call_id, direction)
    assert (facts.key, facts.slot_key) == (key, slot_key)


def test_a_browser_has_no_carrier() -> None:
    assert not CallInfo(SID, "", "", "desk", "browser").has_carrier
    assert CallInfo(SID, "", "", "desk", "media-streams").has_carrier
    assert CallInfo(SID, "", "", "desk", "sip").has_carrier
