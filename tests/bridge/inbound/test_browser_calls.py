"""Calls from browsers: what a failed one leaves behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.agents.config.agent import Agent
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.bridge.inbound.browser_calls import BrowserCalls
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission


class FailingRegistry:
    """A registry with one agent that cannot announce its first call."""

    max_calls = 10
    calls: tuple[Any, ...] = ()

    def __init__(self, agent: Agent) -> None:
        self.book = SimpleNamespace(agents={agent.name: agent})
        self.announced = 0

    def refusal(self) -> None:
        return None

    def announce(self, facts: Any, _agent: Agent, *, wire: WireFormat) -> Any:
        assert wire is MULAW_8K
        self.announced += 1
        if self.announced == 1:
            raise RuntimeError("a bug of ours")
        return facts


async def test_a_call_that_fails_leaves_no_slot_taken() -> None:
    agent = Agent(name="only", instructions="Be kind.", max_calls=1)
    unused: Any = None
    calls = BrowserCalls(
        FailingRegistry(agent),  # type: ignore[arg-type] # has what a beginning call needs
        unused,
        Admission(None, None),
        unused,
        lambda: None,
        lambda: 0.0,
        lambda: None,
    )
    with pytest.raises(RuntimeError):
        await calls.begin("only", MULAW_8K)
    await calls.begin("only", MULAW_8K)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await calls.begin("only", MULAW_8K)
