"""Running calls, and what brings one about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.wiring.telephony import sip_takeover


def test_the_slots_are_those_of_the_settings(wired: Callable[..., Any]) -> None:
    registry = wired(GATEWAY_MAX_CALLS="7").calls.registry
    assert registry.max_calls == 7
    assert not registry.calls


def test_no_sip_call_is_looked_for_without_a_shared_store(wired: Callable[..., Any]) -> None:
    areas = wired()
    assert sip_takeover(areas.r, areas.calls, areas.inbound) is not None
    assert areas.r.remote is None
