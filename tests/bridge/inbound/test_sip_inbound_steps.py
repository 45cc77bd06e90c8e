"""A SIP call step by step: what the operator decides of it, and what its caller gets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.agents.config.agent import Agent
from gateway.bridge.inbound.sip_inbound import SipInbound
from gateway.call import inputs
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.protocols.openai_webhooks import IncomingCall
from gateway.protocols.realtime_server import ErrorBody
from gateway.tools.before_answer import BeforeAnswer
from gateway.transports.openai_calls import SessionRefused

CALLER, OURS, CALL_ID = "+14155550123", "+15550100", "rtc_1"
INCOMING = IncomingCall(
    CALL_ID,
    1_790_000_000,
    [("from", f"<sip:{CALLER}@example.com>"), ("to", f"<sip:{OURS}@example.com>")],
    "srtp",
)


def an_agent(name: str) -> Agent:
    return Agent.model_validate({"name": name, "instructions": "Be kind.", "path": "sip"})


DESK, NIGHT = an_agent("desk"), an_agent("night")


class Call:
    """A call that writes down what is done with it."""

    def __init__(self, facts: CallInfo, agent: Agent) -> None:
        self.facts, self.done = facts, list[object]()
        decision = SimpleNamespace(refuse=self.done.append, transfer=self.done.append)
        self.machine = SimpleNamespace(agent=agent, decision=decision)

    def accepted(self) -> None:
        self.done.append("accepted")

    def adopted(self) -> None:
        self.done.append("adopted")

    def accept_failed(self) -> None:
        self.done.append("accept failed")

    def notify(self, event: object) -> None:
        self.done.append(event)


class Rig:
    """A process with two agents, the vendor, and what the operator answers about a call."""

    def __init__(self, answer: BeforeAnswer | None = None, refused_sessions: int = 0) -> None:
        self._answer, self._refused_sessions = answer, refused_sessions
        self.calls: list[Call] = []
        self.announced: list[tuple[str, Briefing]] = []
        self.vendor: list[tuple[Any, ...]] = []
        self.counted: list[str] = []
        agents = {"desk": DESK, "night": NIGHT}
        book = SimpleNamespace(agents=agents, route_any=lambda _: None)
        registry: Any = SimpleNamespace(
            book=book,
            agents=SimpleNamespace(
                version_of=lambda _: SimpleNamespace(book=book),
                agent=lambda name, _call_sid: agents.get(name),
            ),
            on_duty=lambda _: DESK,
            session=lambda *_: {"model": "gpt-realtime", "tracing": "auto"},
            announce_sip=self._announce,
        )
        admission: Any = SimpleNamespace(admit=self._admit)
        rates: Any = SimpleNamespace(short=False)
        this: Any = self
        self.inbound = SipInbound(
            registry,
            this,
            this,
            admission,
            this,
            rates=rates,
            allow_rtp=False,
            counted=self.counted.append,
        )

    def ask(self, *_: object) -> asyncio.Task[BeforeAnswer] | None:
        async def answered(answer: BeforeAnswer) -> BeforeAnswer:
            return answer

        return None if self._answer is None else asyncio.create_task(answered(self._answer))

    async def _admit(self, *_: object) -> None: ...

    def _announce(
        self, facts: CallInfo, agent: Agent, *_: object, briefing: Briefing, **_more: object
    ) -> Call:
        self.announced.append((agent.name, briefing))
        self.calls.append(Call(facts, agent))
        return self.calls[-1]

    async def accept(self, call_id: str, session: Mapping[str, Any], _within_s: float) -> None:
        self.vendor.append(("accept", call_id, "tracing" in session))
        if self._refused_sessions:
            self._refused_sessions -= 1
            raise SessionRefused(ErrorBody(message="No."))

    async def reject(self, call_id: str, status: int, _within_s: float) -> None:
        self.vendor.append(("reject", call_id, status))


@pytest.mark.parametrize(
    ("answer", "agent", "decided"),
    [
        (None, "desk", []),
        (BeforeAnswer(), "desk", []),
        (BeforeAnswer(agent="night"), "night", []),
        (BeforeAnswer(agent="nobody"), "desk", []),
        (BeforeAnswer(refuse="We are closed."), "desk", ["We are closed."]),
        (BeforeAnswer(transfer="+15550177"), "desk", [TransferCaller("+15550177")]),
    ],
)
async def test_what_is_decided_of_a_call_that_is_taken(
    answer: BeforeAnswer | None, agent: str, decided: list[object]
) -> None:
    rig = Rig(answer)
    await rig.inbound.take(INCOMING)
    assert rig.announced == [(agent, Briefing())]
    (call,) = rig.calls
    assert call.facts == CallInfo("", CALLER, OURS, agent, "sip", CALL_ID)
    assert call.done == [*decided, "accepted"]
    assert (rig.vendor, rig.counted) == ([("accept", CALL_ID, True)], ["accepted"])


async def test_what_the_operator_says_of_a_call_is_known_to_its_agent() -> None:
    rig = Rig(BeforeAnswer(Briefing("A parcel.")))
    await rig.inbound.take(INCOMING)
    assert rig.announced == [("desk", Briefing("A parcel."))]


@pytest.mark.parametrize(("refuse", "status"), [("busy", 486), ("declined", 603)])
async def test_a_signal_is_given_without_a_call(refuse: str, status: int) -> None:
    rig = Rig(BeforeAnswer(refuse=refuse))
    with capture_logs():
        await rig.inbound.take(INCOMING)
    assert (rig.calls, rig.vendor) == ([], [("reject", CALL_ID, status)])
    assert rig.counted == [f"before_{refuse}"]


@pytest.mark.parametrize(("refused", "last"), [(1, "accepted"), (2, "accept failed")])
async def test_a_session_that_is_refused_is_offered_once_more_with_less(
    refused: int, last: str
) -> None:
    rig = Rig(refused_sessions=refused)
    with capture_logs():
        await rig.inbound.take(INCOMING)
    (call,) = rig.calls
    assert call.done == [inputs.AcceptRefused(ErrorBody(message="No."))] * refused + [last]
    accepts = [("accept", CALL_ID, True), ("accept", CALL_ID, False)]
    assert rig.vendor[:2] == accepts
    assert rig.vendor[2:] == ([("reject", CALL_ID, 503)] if refused == 2 else [])
    assert rig.counted == ["accepted" if refused == 1 else "unavailable"]


async def test_a_call_that_another_process_accepted_goes_on_here() -> None:
    rig = Rig()
    state = CallSnapshot(
        "night",
        "sip",
        CALLER,
        OURS,
        call_id=CALL_ID,
        call_sid="CA1",
        briefing=Briefing("A parcel."),
    )
    rig.inbound.adopt(state)
    (call,) = rig.calls
    assert call.facts == CallInfo("CA1", CALLER, OURS, "night", "sip", CALL_ID, "inbound")
    assert (call.done, rig.vendor) == (["adopted"], [])
    assert rig.announced == [("night", Briefing("A parcel."))]
    state.agent = "nobody"
    with pytest.raises(NotAdmitted, match="no_agent"):
        rig.inbound.adopt(state)
