"""Calls from browsers: what a failed one leaves behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.agents.config.agent import Agent
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.bridge.inbound.browser_calls import BrowserCalls
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.signed_tokens import ResumeTokens


class FailingRegistry:
    """A registry with one agent that cannot announce its first call."""

    max_calls = 10
    calls: tuple[Any, ...] = ()

    def __init__(self, agent: Agent) -> None:
        self.book = SimpleNamespace(agents={agent.name: agent})
        self.agents = SimpleNamespace(agent=lambda name, _sid: self.book.agents.get(name))
        self.announced = 0

    def refusal(self, *, resumed: bool = False) -> None:
        assert resumed in (True, False)

    def media_call(self, _call_sid: str) -> None:
        return None

    async def ending_of(self, _call_sid: str) -> Ending:
        return Ending.MEDIA_BROKEN

    def announce(self, facts: Any, _agent: Agent, *, wire: WireFormat, state: Any = None) -> Any:
        assert wire is MULAW_8K
        assert state is None or state.resumes
        self.announced += 1
        if self.announced == 1:
            raise RuntimeError("a bug of ours")
        return facts


class Snapshots:
    """Snapshots of calls that broke off."""

    async def load(self, call_sid: str) -> CallSnapshot:
        return CallSnapshot("only", "media-streams", arrived=True, call_sid=call_sid)

    async def sound(self, _call_sid: str) -> bytes:
        return b""


def browser_calls() -> tuple[BrowserCalls, ResumeTokens]:
    agent = Agent(name="only", instructions="Be kind.", max_calls=1)
    tokens = ResumeTokens(["secret"], lambda: 0.0)
    parts: Any = (FailingRegistry(agent), Snapshots(), Admission(None, None), tokens)
    return BrowserCalls(*parts, lambda: None, lambda: 0.0, lambda: None), tokens


async def test_one_that_comes_back_and_fails_leaves_no_slot_taken() -> None:
    calls, tokens = browser_calls()

    def ticket(call_sid: str) -> str:
        return tokens.issue(call_sid, "only", MULAW_8K.encoding, 60.0)

    with pytest.raises(RuntimeError):
        await calls.resume(ticket("WB1"), "only", MULAW_8K)
    await calls.resume(ticket("WB2"), "only", MULAW_8K)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await calls.resume(ticket("WB3"), "only", MULAW_8K)


async def test_a_call_that_fails_leaves_no_slot_taken() -> None:
    calls, _ = browser_calls()
    with pytest.raises(RuntimeError):
        await calls.begin("only", MULAW_8K)
    await calls.begin("only", MULAW_8K)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await calls.begin("only", MULAW_8K)
