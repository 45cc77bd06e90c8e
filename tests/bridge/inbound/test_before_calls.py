"""The question about a call: what is told, and earlier calls of the caller where there are some."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.inbound.before_calls import ArrivingCall, BeforeCalls, transfer_of
from gateway.call.commands import TransferCaller
from gateway.errors import GatewayError
from gateway.ops.records.record import CallSummary
from gateway.tools.before_answer import NO_ANSWER

DESK = Agent.model_validate(
    {
        "name": "desk",
        "instructions": "x",
        "tools": ["transfer"],
        "transfers": {"boss": {"to": "+15550199", "mode": "warm"}, "line": {"queue": "sales"}},
    }
)
CALL = ArrivingCall("CA1", "", "inbound", "+21671000001", "+15550100", [("X-Vip", "y" * 999)] * 99)


class Registry:
    """A registry whose only version has one hook, which notes down what it is asked."""

    def __init__(self) -> None:
        self.agents = self
        self.toolbox = self
        self.asked: list[Any] = []
        self.apart: set[str] = set()

    def version_of(self, _agent: Agent) -> Registry:
        return self

    def before(self, _agent: str) -> Registry:
        return self

    async def answer(self, question: Any, context: Any, within_s: float, apart: str) -> Any:
        self.asked.append((await question(), context, within_s))
        self.apart.add(apart)
        return NO_ANSWER


class History:
    def __init__(self, found: list[CallSummary] | Exception | None) -> None:
        self.found = found

    async def earlier_calls(self, caller: str, most: int = 0) -> list[CallSummary]:
        assert caller == "+21671000001"
        if self.found is None:
            await asyncio.Event().wait()
        if isinstance(self.found, Exception):
            raise self.found
        return self.found or []


async def question(history: Any, call: ArrivingCall = CALL) -> dict[str, Any]:
    registry: Any = Registry()
    asking = BeforeCalls(registry, history).ask(DESK, call)
    assert asking is not None
    assert await asking == NO_ANSWER
    ((asked, context, _),) = registry.asked
    assert context.caller == call.caller
    return dict(asked)


async def test_what_is_known_of_a_call_is_asked_about() -> None:
    asked = await question(None)
    assert asked["caller"] == "+21671000001"
    assert asked["earlier_calls"] == []
    assert asked["sip_headers"] == {"X-Vip": "y" * limits.briefing.BEFORE_SIP_HEADER_MAX_CHARS}


@pytest.mark.parametrize(
    ("call_sid", "call_id", "key"),
    [("CA1", "", "CA1"), ("CA1", "rtc_1", "CA1"), ("", "rtc_1", "rtc_1")],
)
async def test_the_question_is_asked_of_the_call_by_its_key(
    call_sid: str, call_id: str, key: str
) -> None:
    """Over a trunk a call has no CallSid."""
    registry: Any = Registry()
    arriving = ArrivingCall(call_sid, call_id, "inbound", "+1555", "+1556")
    asking = BeforeCalls(registry).ask(DESK, arriving)
    assert asking is not None
    await asking
    ((asked, context, _),) = registry.asked
    assert context.key == key
    assert (context.call_sid, context.call_id) == (call_sid, call_id)
    assert (asked["call_sid"], asked["call_id"]) == (call_sid, call_id)


async def test_not_more_headers_are_told_than_a_hook_has_to_read() -> None:
    most = limits.briefing.BEFORE_SIP_HEADERS_MAX
    headers = [(f"X-{nth}", "y") for nth in range(most + 1)]
    call = ArrivingCall("CA1", "", "inbound", "+21671000001", "+15550100", headers)
    assert (await question(None, call))["sip_headers"] == dict(headers[:most])


@pytest.mark.parametrize(
    ("attestation", "headers", "same"),
    [
        ("A", [("X-Customer", "1")], True),
        ("A", [("x-customer", "1"), ("X-Twilio-CallSid", "CA2"), ("Call-ID", "b")], True),
        ("C", [("X-Customer", "1")], False),
        ("A", [("X-Customer", "2")], False),
        ("A", [], False),
    ],
)
async def test_what_tells_calls_of_one_caller_apart(
    attestation: str, headers: list[tuple[str, str]], *, same: bool
) -> None:
    """A telephone system shows one number for all its customers, and numbers can be forged."""
    registry: Any = Registry()
    first = [("X-Customer", "1"), ("X-Twilio-CallSid", "CA1"), ("Call-ID", "a")]
    for call in (("A", first), (attestation, headers)):
        arriving = ArrivingCall("CA1", "", "inbound", "+1555", "+1556", call[1], call[0])
        asking = BeforeCalls(registry).ask(DESK, arriving)
        assert asking is not None
        await asking
    assert (len(registry.apart) == 1) == same


@pytest.mark.parametrize("found", [None, GatewayError("away"), []])
async def test_a_history_that_does_not_serve_is_left_out(found: Any) -> None:
    assert (await question(History(found)))["earlier_calls"] == []


async def test_nobody_has_earlier_calls_whose_number_is_withheld() -> None:
    call = ArrivingCall("CA1", "", "inbound", "", "+15550100")
    assert (await question(History(AssertionError()), call))["earlier_calls"] == []


@pytest.mark.parametrize(
    ("to", "way"),
    [
        ("boss", TransferCaller("+15550199", "warm")),
        ("line", TransferCaller("sales", "queue")),
        ("+15550188", TransferCaller("+15550188")),
    ],
)
def test_a_transfer_is_one_of_the_agents_or_a_number(to: str, way: TransferCaller) -> None:
    assert transfer_of(DESK, to) == way
