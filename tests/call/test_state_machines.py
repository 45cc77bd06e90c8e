"""Steps of the phase and the link: forward only."""

from __future__ import annotations

import pytest

from gateway.call.state_machines import CallPhase, LinkState, step_link, step_phase
from gateway.errors import BugError

# --- The tables ---


def test_life_and_link_go_one_way_only() -> None:
    assert step_phase(CallPhase.GOODBYE, CallPhase.TALKING) is CallPhase.TALKING
    for now, to in (
        (CallPhase.EXPECTED, CallPhase.GOODBYE),
        (CallPhase.TALKING, CallPhase.EXPECTED),
    ):
        with pytest.raises(BugError):
            step_phase(now, to)
    for life in CallPhase:
        with pytest.raises(BugError):
            step_phase(CallPhase.CLOSED, life)
    for now_link, to_link in (
        (LinkState.LOST, LinkState.READY),
        (LinkState.READY, LinkState.CONFIGURING),
    ):
        with pytest.raises(BugError):
            step_link(now_link, to_link)
