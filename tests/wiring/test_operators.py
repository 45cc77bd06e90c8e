"""Operators' actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.bridge.operators.actions import OperatorAction
from gateway.wiring.operators import operators


async def test_alone_a_process_knows_its_own_calls_only(wired: Callable[..., Any]) -> None:
    areas = wired()
    acting = operators(areas.r, areas.calls, areas.kept, areas.outbound)
    assert not acting.remote.shared
    assert await acting.remote.record("CA1") is None
    assert await acting.actions.perform("CA1", OperatorAction("hangup")) is None
