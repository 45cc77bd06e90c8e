"""`before:` at work: its time, its cache, its bounds, and both ways to ask."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest
from http_end import http_end

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call.briefing import Briefing
from gateway.errors import SettingsError
from gateway.tools.before import BeforeHook, before_hook
from gateway.tools.before_answer import NO_ANSWER
from gateway.tools.python import ToolContext

CALL = ToolContext("CA1", "+21671000001", "+15550100", "desk", direction="inbound")
SECRET = f"whsec_{b64encode(b'secret').decode()}"


class Seen:
    """Observer that writes down what it is told."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.fields: list[str] = []

    def asked(self, agent: str, outcome: str, seconds: float) -> None:
        assert agent == "desk"
        assert seconds >= 0
        self.outcomes.append(outcome)

    def left_out(self, agent: str, field: str) -> None:
        assert agent == "desk"
        self.fields.append(field)


def an_agent(**before: Any) -> Agent:
    fields = {"name": "desk", "instructions": "x", "before": before}
    return Agent.model_validate(fields)


def hook(seen: Seen, **before: Any) -> BeforeHook:
    agent = an_agent(**before)
    made = before_hook(agent, {"desk": agent}, {"GATEWAY_EVENTS_SECRET": SECRET}, seen)
    assert made is not None
    return made


def python(name: str, seen: Seen, **more: Any) -> BeforeHook:
    return hook(seen, python=f"before_functions:{name}", **more)


async def ask(one: BeforeHook, context: ToolContext = CALL, apart: str = "") -> Any:
    async def question() -> dict[str, Any]:
        return {"caller": context.caller}

    return await one.answer(question, context, apart=apart)


def test_without_the_key_nobody_is_asked() -> None:
    agent = Agent(name="desk", instructions="x")
    assert before_hook(agent, {"desk": agent}, {}, Seen()) is None


@pytest.mark.parametrize("name", ["known", "known_soon"])
async def test_a_python_function_is_asked(name: str) -> None:
    seen = Seen()
    answer = await ask(python(name, seen))
    assert answer.briefing == Briefing(facts={"caller": "+21671000001"})
    assert seen.outcomes == ["ok"]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("breaks", "error"), ("says_text", "invalid"), ("says_nothing", "ok"), ("hangs", "timeout")],
)
async def test_one_that_fails_is_no_answer(name: str, outcome: str) -> None:
    seen = Seen()
    one = python(name, seen, timeout_ms=limits.briefing.BEFORE_TIMEOUT_MIN_MS)
    assert await ask(one) == NO_ANSWER
    assert seen.outcomes == [outcome]


async def test_a_caller_is_asked_about_once_in_a_while() -> None:
    seen = Seen()
    one = python("known", seen)
    for _ in range(2):
        await ask(one)
    await ask(one, ToolContext("CA2", "+21671000002", "+15550100", "desk"))
    assert seen.outcomes == ["ok", "cached", "ok"]


async def test_an_answer_about_one_call_is_none_about_another_that_differs() -> None:
    seen = Seen()
    one = python("known", seen)
    for apart in ("A", "C", "A", "C"):
        await ask(one, apart=apart)
    assert seen.outcomes == ["ok", "ok", "cached", "cached"]


@pytest.mark.parametrize(
    ("context", "more"),
    [(ToolContext("CA1", "", "+15550100", "desk"), {}), (CALL, {"cache_s": 0})],
)
async def test_nobody_known_and_no_cache_are_asked_about_each_time(
    context: ToolContext, more: dict[str, Any]
) -> None:
    seen = Seen()
    one = python("known", seen, **more)
    for _ in range(2):
        await ask(one, context)
    assert seen.outcomes == ["ok", "ok"]


async def test_one_that_keeps_failing_is_left_alone_for_a_while() -> None:
    seen = Seen()
    one = python("breaks", seen)
    for _ in range(limits.briefing.BEFORE_FAILURES_MAX + 1):
        await ask(one)
    assert seen.outcomes == [*["error"] * limits.briefing.BEFORE_FAILURES_MAX, "skipped"]


async def test_too_many_at_once_are_not_asked() -> None:
    seen = Seen()
    one = python("hangs", seen, cache_s=0, timeout_ms=limits.briefing.BEFORE_TIMEOUT_MIN_MS)
    asked = [ask(one) for _ in range(limits.briefing.BEFORE_AT_ONCE_MAX + 1)]
    await asyncio.gather(*asked)
    assert seen.outcomes.count("skipped") == 1


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason"),
    [
        (302, {"location": "/other"}, b"", "error"),
        (500, {}, b"{}", "error"),
        (200, {}, b"no json", "error"),
        (200, {}, b"[" * 100_000, "error"),
        (200, {}, b'"' + b"x" * limits.briefing.BEFORE_ANSWER_MAX_BYTES + b'"', "error"),
        (200, {}, b"", "ok"),
        (200, {}, b"{}", "ok"),
    ],
)
async def test_an_address_that_answers_oddly_is_no_answer(
    status: int, headers: dict[str, str], body: bytes, reason: str
) -> None:
    async with http_end() as end:
        end.answers["/call"] = (status, headers, body)
        seen = Seen()
        one = hook(seen, http={"url": f"{end.url}/call", "allow_private": True})
        assert await ask(one) == NO_ANSWER
        assert seen.outcomes == [reason]
        assert len(end.seen) == 1
        await one.close()


@pytest.mark.parametrize(
    ("environ", "problem"),
    [({}, "GATEWAY_EVENTS_SECRET"), ({"GATEWAY_EVENTS_SECRET": "plain"}, "whsec_ and base64")],
)
def test_a_request_that_cannot_be_signed_refuses_to_start(
    environ: dict[str, str], problem: str
) -> None:
    agent = an_agent(http={"url": "https://crm.example.com/call"})
    with pytest.raises(SettingsError, match=problem):
        before_hook(agent, {"desk": agent}, environ, Seen())
