"""What is known of an outbound call in every process."""

from __future__ import annotations

import pytest

from gateway.bridge.calls.outbound_state import PROGRESS, OutboundState, OutboundStates, is_over
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

SID = "CA" + "1" * 32
STATE = OutboundState("desk", "+14155550177", "+14155550100")


@pytest.fixture
def states() -> OutboundStates:
    return OutboundStates(Store(MemoryStore(lambda: 0.0)))


async def test_a_call_is_remembered_and_no_other_is_one(states: OutboundStates) -> None:
    await states.remember(SID, STATE)
    assert await states.find(SID) == STATE
    assert await states.find("CA" + "2" * 32) is None
    assert await states.find("") is None


async def test_a_status_that_comes_late_changes_nothing(states: OutboundStates) -> None:
    assert await states.status(SID) == "queued"
    for status, known in (
        ("ringing", "ringing"),
        ("initiated", "ringing"),
        ("in-progress", "in-progress"),
        ("completed", "completed"),
        ("in-progress", "completed"),
        ("busy", "busy"),
    ):
        await states.set_status(SID, status)
        assert await states.status(SID) == known


async def test_who_answered(states: OutboundStates) -> None:
    assert await states.answered_by(SID) is None
    await states.set_answered_by(SID, "machine")
    assert await states.answered_by(SID) == "machine"


def test_what_is_no_progress_is_an_end() -> None:
    assert not any(is_over(status) for status in PROGRESS)
    assert is_over("completed")
    assert is_over("no-answer")
    assert is_over("something-new")
