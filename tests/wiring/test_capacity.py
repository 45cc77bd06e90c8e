"""Bounds on new calls."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from call_doubles import MEDIA_CALL
from structlog.testing import capture_logs

from gateway.wiring.capacity import open_bill

AGENTS = """
agents:
  front: {instructions: Answer., spend_usd: 0.5}
  free: {instructions: Answer.}
routes: [{to: "+15550101", agent: free}, {to: "*", agent: front}]
"""


def test_a_bill_has_the_limit_of_its_agent(wired: Callable[..., Any]) -> None:
    agents = wired(AGENTS).r.book.agents
    facts = MEDIA_CALL
    assert open_bill(facts, agents["front"]).limit_usd == Decimal("0.5")
    assert open_bill(facts, agents["free"]).limit_usd is None


def test_an_open_breaker_is_a_reason_to_shed_and_is_logged(wired: Callable[..., Any]) -> None:
    areas = wired()
    assert areas.bounds.shed() is None
    with capture_logs() as lines:
        for _ in range(areas.r.tuning.breaker_failures_max):
            areas.bounds.breaker.failed()
    assert [line["event"] for line in lines] == ["breaker_opened"]
    assert areas.bounds.shed() is not None
    assert areas.r.metrics.registry.get_sample_value("gateway_breaker_open") == 1


def test_slots_of_sip_are_shown_where_there_is_sip(wired: Callable[..., Any]) -> None:
    areas = wired()
    assert areas.r.settings.sip_uri
    shown = areas.r.metrics.registry.get_sample_value("gateway_calls_capacity", {"path": "sip"})
    assert shown == areas.r.tuning.sip_calls_max
