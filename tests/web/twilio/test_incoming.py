"""Each answer to a call that arrives, with doubles of the legs: what is asked and counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID
from starlette.responses import Response

from gateway.agents.config.agent import Agent
from gateway.bridge.inbound.before_calls import ArrivingCall
from gateway.call.briefing import Briefing
from gateway.errors import NotAdmitted
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.tools.before_answer import NO_ANSWER, BeforeAnswer
from gateway.web.twilio.incoming import IncomingCalls

CALL = VoiceRequest(CALL_SID, "+15550199", "+15550100", "ringing", False, "TN-A", (("X-Id", "7"),))
PLACED = replace(CALL, outbound=True)


def agent(name: str = "desk", **more: Any) -> Agent:
    return Agent.model_validate({"name": name, "instructions": "Answer."} | more)


DESK, NIGHT, BY_SIP = agent(), agent("night", language="fr"), agent("direct", path="sip")
ASKED_NAMES = {"desk": DESK, "night": NIGHT, "direct": BY_SIP}


class Counted:
    def __init__(self) -> None:
        self.labels_of: list[str] = []
        self._label = ""

    def labels(self, label: str) -> Counted:
        self._label = label
        return self

    def inc(self) -> None:
        self.labels_of.append(self._label)


class Arrivals:
    """Incoming calls with legs that are words; `full` says why no stream is admitted."""

    def __init__(self, overflow: str = "busy", answer: BeforeAnswer | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.shed: str | None = None
        self.full: str | None = None
        self.full_anew: str | None = None
        self.sip, self.sip_full, self.person = True, None, True
        self.answer, self.refused, self.steps = answer, Counted(), list[str]()
        self.kept: list[Briefing] = []
        self.led_by: list[str] = []
        self.asking: asyncio.Task[BeforeAnswer] | None = None
        registry = SimpleNamespace(
            refusal=self._refusal,
            briefings=SimpleNamespace(find=self._find, put=self._put, led_by=self._lead),
            agents=SimpleNamespace(
                version_of=lambda _: SimpleNamespace(book=SimpleNamespace(agents=ASKED_NAMES))
            ),
        )
        stream = SimpleNamespace(
            connect=self._connect, withdraw=self._withdraw, decide_anew=self._decide_anew
        )
        steps = SimpleNamespace(
            person=lambda _: Response("person") if self.person else None,
            person_or_less=lambda _, leg: Response(f"person after {leg}"),
            count=self._count,
        )
        parts: list[Any] = [
            overflow,
            lambda: self.shed,
            registry,
            stream,
            SimpleNamespace(dial=self._dial),
            steps,
            SimpleNamespace(response=self._document),
            SimpleNamespace(refused=self.refused),
            SimpleNamespace(ask=self._ask),
            SimpleNamespace(document=self._transfer),
        ]
        self.calls = IncomingCalls(*parts)

    def _refusal(self, path: str, sid: str) -> str | None:
        assert (path, sid) == ("sip", CALL_SID)
        return self.sip_full

    async def _find(self, _sid: str) -> Briefing:
        return Briefing(about="known")

    async def _put(self, sid: str, briefing: Briefing) -> None:
        assert sid == CALL_SID
        self.kept.append(briefing)

    async def _lead(self, sid: str, name: str) -> None:
        assert sid == CALL_SID
        self.led_by.append(name)

    async def _connect(self, _call: object, agent: Agent) -> Response:
        self.asked.append(("stream", agent.name))
        if self.full:
            raise NotAdmitted(self.full)
        return Response("stream")

    async def _withdraw(self, _call: object) -> None:
        self.asked.append(("withdraw",))

    async def _decide_anew(
        self, _call: object, agent: Agent, leads: Agent, briefing: Briefing
    ) -> Response:
        self.asked.append(("anew", agent.name, leads.name, briefing.about))
        if self.full_anew:
            raise NotAdmitted(self.full_anew)
        return Response("anew")

    def _dial(self, _call: object, agent: Agent) -> Response | None:
        self.asked.append(("sip", agent.name))
        return Response("sip") if self.sip else None

    def _count(self, step: str, response: Response) -> Response:
        self.steps.append(step)
        return response

    def _document(self, name: str, language: str = "", **more: str) -> Response:
        return Response(" ".join(word for word in (name, language, *more.values()) if word))

    async def _transfer(self, _call: object, to: Any, language: str) -> str:
        return f"to {to.to} {language}"

    def _ask(self, _agent: Agent, arriving: ArrivingCall) -> asyncio.Task[BeforeAnswer] | None:
        direction = "outbound" if self.direction else "inbound"
        assert arriving == ArrivingCall(
            CALL_SID, "", direction, "+15550199", "+15550100", (("X-Id", "7"),), "TN-A"
        )
        if self.answer is None:
            return None

        async def answered(answer: BeforeAnswer) -> BeforeAnswer:
            return answer

        self.asking = asyncio.create_task(answered(self.answer))
        return self.asking

    direction = False

    async def arrives(self, agent: Agent = DESK, call: VoiceRequest = CALL) -> str:
        self.direction = call.outbound
        return bytes((await self.calls.answer(call, agent)).body).decode()


# agent, why it is shed, why it is not admitted, overflow; the answer, refused, steps
CONNECTED: dict[str, tuple[Agent, str | None, str | None, str, str, list[str], list[str]]] = {
    "stream": (DESK, None, None, "busy", "stream", [], []),
    "sip": (BY_SIP, None, None, "busy", "sip", [], []),
    "shed": (DESK, "budget", None, "busy", "busy.xml en", ["budget"], []),
    "model down": (DESK, "model_down", None, "busy", "person after stream", ["model_down"], []),
    "rate limited": (
        BY_SIP,
        "rate_limited",
        None,
        "busy",
        "person after stream",
        ["rate_limited"],
        [],
    ),
    "full": (DESK, None, "full", "busy", "busy.xml en", ["full"], []),
    "full, to sip": (DESK, None, "full", "sip", "sip", [], ["overflow_sip"]),
    "agent full, not to sip": (DESK, None, "agent_full", "sip", "busy.xml en", ["agent_full"], []),
    "full, to a person": (DESK, None, "full", "human", "person", [], ["overflow_human"]),
    "agent full": (DESK, None, "agent_full", "human", "person", [], ["overflow_human"]),
    "budget": (DESK, None, "budget", "human", "busy.xml en", ["budget"], []),
    "draining": (DESK, None, "draining", "sip", "busy.xml en", ["draining"], []),
    "in French": (NIGHT, None, "full", "busy", "busy.xml fr", ["full"], []),
}


@pytest.mark.parametrize(
    ("agent", "shed", "full", "overflow", "answer", "refused", "steps"),
    CONNECTED.values(),
    ids=CONNECTED,
)
async def test_what_a_caller_gets(
    agent: Agent,
    shed: str | None,
    full: str | None,
    overflow: str,
    answer: str,
    refused: list[str],
    steps: list[str],
) -> None:
    arrivals = Arrivals(overflow)
    arrivals.shed, arrivals.full = shed, full
    assert await arrivals.arrives(agent) == answer
    assert (arrivals.refused.labels_of, arrivals.steps) == (refused, steps)
    assert bool(arrivals.asked) == (shed is None)


@pytest.mark.parametrize("overflow", ["sip", "human"])
async def test_whom_we_called_is_told_and_not_sent_elsewhere(overflow: str) -> None:
    for reason in ("full", "model_down"):
        arrivals = Arrivals(overflow)
        arrivals.full = reason
        assert await arrivals.arrives(call=PLACED) == "apology.xml en"
        assert (arrivals.refused.labels_of, arrivals.steps) == ([reason], [])


@pytest.mark.parametrize("overflow", ["sip", "human"])
async def test_an_overflow_that_is_missing_turns_the_caller_away(overflow: str) -> None:
    arrivals = Arrivals(overflow)
    arrivals.full, arrivals.sip, arrivals.person = "full", False, False
    assert await arrivals.arrives() == "busy.xml en"
    assert (arrivals.refused.labels_of, arrivals.steps) == (["full"], [])


@pytest.mark.parametrize(("why", "counted"), [(None, "full"), ("draining", "draining")])
async def test_a_leg_that_cannot_be_dialled_is_refused(why: str | None, counted: str) -> None:
    arrivals = Arrivals()
    arrivals.sip, arrivals.sip_full = False, why  # type: ignore[assignment]
    assert await arrivals.arrives(BY_SIP) == "busy.xml en"
    assert arrivals.refused.labels_of == [counted]


def test_a_number_without_an_agent() -> None:
    arrivals = Arrivals()
    assert bytes(arrivals.calls.no_agent().body) == b"unavailable.xml"
    assert arrivals.refused.labels_of == ["no_agent"]


# --- Where the operator is asked before the first word ---

FACTS = Briefing(facts={"who": "K-1"})
DECIDED: dict[str, tuple[BeforeAnswer, VoiceRequest, str, list[str]]] = {
    # answer, call; the document, refused
    "busy": (BeforeAnswer(refuse="busy"), CALL, "busy.xml", ["before"]),
    "declined": (BeforeAnswer(refuse="declined"), CALL, "declined.xml", ["before"]),
    "placed": (BeforeAnswer(refuse="busy"), PLACED, "hangup.xml", ["before"]),
    "spoken": (BeforeAnswer(refuse="Closed."), CALL, "refused.xml en Closed.", ["before"]),
    "spoken in their language": (
        BeforeAnswer(refuse="Closed.", agent="night"),
        CALL,
        "refused.xml fr Closed.",
        ["before"],
    ),
    "spoken in the caller's": (
        BeforeAnswer(Briefing(language="ar"), refuse="Closed.", agent="night"),
        CALL,
        "refused.xml ar Closed.",
        ["before"],
    ),
    "transfer": (BeforeAnswer(transfer="+15550123"), CALL, "to +15550123 en", []),
}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("answer", "call", "document", "refused"), DECIDED.values(), ids=DECIDED)
async def test_a_decision_needs_no_agent(
    answer: BeforeAnswer, call: VoiceRequest, document: str, refused: list[str], at_once: bool
) -> None:
    arrivals = Arrivals(answer=answer)
    arrivals.full = None if at_once else "full"
    assert await arrivals.arrives(call=call) == document
    assert arrivals.refused.labels_of == refused
    assert arrivals.asked == [("stream", "desk"), *([("withdraw",)] if at_once else [])]
    assert arrivals.kept == []


async def test_no_answer_changes_nothing() -> None:
    arrivals = Arrivals(answer=NO_ANSWER)
    assert await arrivals.arrives() == "stream"
    assert (arrivals.asked, arrivals.kept) == ([("stream", "desk")], [])


async def test_what_is_known_is_kept_and_told_to_the_agent_that_leads() -> None:
    arrivals = Arrivals(answer=BeforeAnswer(FACTS, agent="night"))
    assert await arrivals.arrives() == "anew"
    assert arrivals.asked == [("stream", "desk"), ("anew", "desk", "night", "known")]
    assert arrivals.led_by == ["night"]
    [kept] = arrivals.kept
    assert (kept.about, kept.facts) == ("known", {"who": "K-1"})


async def test_the_agent_of_the_route_leads_unless_another_is_named() -> None:
    arrivals = Arrivals(answer=BeforeAnswer(FACTS))
    assert await arrivals.arrives() == "anew"
    assert arrivals.asked[-1] == ("anew", "desk", "desk", "known")
    assert arrivals.led_by == []


async def test_an_agent_that_is_full_by_then() -> None:
    arrivals = Arrivals(answer=BeforeAnswer(FACTS, agent="night"))
    arrivals.full_anew = "agent_full"
    assert await arrivals.arrives() == "busy.xml fr"
    assert arrivals.asked[-1] == ("withdraw",)
    assert arrivals.refused.labels_of == ["agent_full"]


@pytest.mark.parametrize(("agent", "shed"), [(BY_SIP, None), (DESK, "model_down"), (BY_SIP, "x")])
async def test_without_a_session_the_operator_is_asked_first(
    agent: Agent, shed: str | None
) -> None:
    arrivals = Arrivals(answer=BeforeAnswer(FACTS, refuse="busy"))
    arrivals.shed = shed
    assert await arrivals.arrives(agent) == "busy.xml"
    assert arrivals.asked == []
    arrivals.answer = BeforeAnswer(FACTS)
    answer = {None: "sip", "model_down": "person after stream", "x": "busy.xml en"}[shed]
    assert await arrivals.arrives(agent) == answer
    assert len(arrivals.kept) == 1


async def test_without_a_slot_another_agent_may_have_one() -> None:
    arrivals = Arrivals(answer=BeforeAnswer(FACTS, agent="night"))
    arrivals.full = "agent_full"
    assert await arrivals.arrives() == "busy.xml fr"
    assert arrivals.asked == [("stream", "desk"), ("stream", "night")]
    assert arrivals.led_by == ["night"]


async def test_a_process_that_stops_asks_nobody_any_more() -> None:
    arrivals = Arrivals(answer=BeforeAnswer(FACTS, refuse="busy"))
    arrivals.full = "draining"
    assert await arrivals.arrives() == "busy.xml en"
    assert arrivals.refused.labels_of == ["draining"]
    assert arrivals.asking is not None
    await asyncio.wait([arrivals.asking])
    assert arrivals.asking.cancelled()
