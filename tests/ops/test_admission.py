"""Places of callers and agents, in this process and over several; the model's rate limit."""

from __future__ import annotations

import pytest

from gateway.errors import NotAdmitted
from gateway.ops.admission import Admission, RateWatch
from gateway.protocols.realtime_server import RateLimit


async def test_so_many_calls_of_one_caller() -> None:
    admission = Admission(2, None)
    await admission.admit("CA1", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)  # asked again: the same call
    with pytest.raises(NotAdmitted, match="caller_busy"):
        await admission.admit("CA3", "+1", "desk", None)
    await admission.admit("CA4", "+2", "desk", None)
    await admission.leave("CA1")
    await admission.admit("CA5", "+1", "desk", None)


async def test_so_many_calls_of_one_agent() -> None:
    admission = Admission(None, None)
    await admission.admit("CA1", "+1", "desk", 1)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await admission.admit("CA2", "+2", "desk", 1)
    await admission.admit("CA3", "+2", "other", 1)
    await admission.leave("CA1")
    await admission.leave("CA1")
    await admission.admit("CA2", "+2", "desk", 1)


def test_new_calls_are_shed_before_live_ones_starve() -> None:
    now = [0.0]
    rates = RateWatch(lambda: now[0])
    rates.saw((RateLimit("tokens", 40_000, 1_000, 12.0),))
    assert rates.short
    now[0] = 12.1
    assert not rates.short
    rates.saw((RateLimit("tokens", 40_000, 1_000, 12.0),))
    rates.saw((RateLimit("tokens", 40_000, 30_000, 0.1),))
    assert not rates.short
    rates.saw((RateLimit("brand_new", 10, 0, 60.0), RateLimit("requests", None, None)))
    assert not rates.short
