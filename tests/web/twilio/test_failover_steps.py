"""Each decision of the failover chain, with doubles of the legs: what is asked, counted, kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from call_doubles import CALL_SID
from starlette.responses import Response
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.spend_limits import spent_key
from gateway.call.commands import TransferCaller
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.tools.secret_functions import SecretAnswer
from gateway.web.twilio.failover import Failover, refer_key
from gateway.web.twilio.secret_entries import SecretEntry

CALL = VoiceRequest(CALL_SID, "+15550199", "+15550100", "in-progress")


def agent(name: str = "desk", **more: Any) -> Agent:
    return Agent.model_validate({"name": name, "instructions": "Answer."} | more)


DESK, NIGHT = agent(), agent("night")


class Labels:
    """A counter that writes down what is counted."""

    def __init__(self, counted: list[str]) -> None:
        self._counted, self._labels = counted, ""

    def labels(self, *labels: str) -> Labels:
        self._labels = ",".join(labels)
        return self

    def inc(self) -> None:
        self._counted.append(self._labels)


class Chain:
    """A failover of which every leg is a word, and each can be missing."""

    def __init__(self, ending: Ending | None = None, state: CallSnapshot | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.resumed, self.steps_counted = list[str](), list[str]()
        self.ending, self.state, self.admits = ending, state, True
        self.has_sip, self.hands_over = True, False
        self.store = Store(MemoryStore(lambda: 0.0))
        registry = SimpleNamespace(
            stream_is_over=lambda sid, drained: self.asked.append(("over", sid, drained)),
            dial_is_over=lambda sid: self.asked.append(("dial over", sid)),
            ending_of=self._ending_of,
            agents=SimpleNamespace(agent=lambda name, _sid: NIGHT if name == "night" else None),
        )
        self.registry = registry
        steps = SimpleNamespace(
            count=self._count,
            apology=lambda _: Response("apology"),
            person_or_less=lambda _, leg: Response(f"person after {leg}"),
        )
        parts: list[Any] = [
            registry,
            self.store,
            SimpleNamespace(load=self._load),
            SimpleNamespace(connect=self._connect),
            SimpleNamespace(dial=self._dial),
            steps,
            SimpleNamespace(response=self._document),
            SimpleNamespace(document=self._transfer),
            SimpleNamespace(resumes=Labels(self.resumed)),
        ]
        self.failover = Failover(*parts, "https://gw")

    def _count(self, step: str, response: Response) -> Response:
        self.steps_counted.append(step)
        return response

    async def _ending_of(self, _sid: str) -> Ending | None:
        return self.ending

    async def _load(self, _sid: str) -> CallSnapshot | None:
        return self.state

    async def _connect(
        self,
        _call: object,
        agent: Agent,
        opening: str | None = None,
        state: CallSnapshot | None = None,
    ) -> Response:
        self.asked.append(("stream", agent.name, opening, state))
        if not self.admits:
            raise NotAdmitted("full")
        return Response("stream")

    def _dial(self, _call: object, agent: Agent, opening: str | None) -> Response | None:
        self.asked.append(("sip", agent.name, opening))
        return Response("sip") if self.has_sip else None

    def _document(self, name: str, language: str = "", **more: str) -> Response:
        return Response(" ".join(word for word in (name, language, *more.values()) if word))

    async def _transfer(self, _call: object, to: TransferCaller, _language: str) -> str:
        return f"to {to.to}"

    async def after(self, leg: str, dial_status: str = "", agent: Agent = DESK) -> str:
        self.registry.hands_over = self.hands_over
        return text_of(await self.failover.after(CALL, agent, leg, dial_status))


def text_of(response: Response) -> str:
    return bytes(response.body).decode()


def state(**more: Any) -> CallSnapshot:
    known: dict[str, Any] = {"agent": "desk", "path": "media-streams", "arrived": True}
    return CallSnapshot(**known | more)


HANGS_UP, RESUMED = "hangup.xml en", "stream"
AFTER: dict[str, tuple[str, str, Ending | None, str]] = {
    # leg, Twilio's status of the dial, how our side ended, and what follows
    "voicemail": ("voicemail", "", None, HANGS_UP),
    "stream that ended well": ("stream", "", Ending.CALLER_HUNG_UP, HANGS_UP),
    "stream that broke": ("stream", "", Ending.MEDIA_BROKEN, "stream"),
    "stream of which nothing is known": ("stream", "", None, "stream"),
    "stream without a model": ("stream", "", Ending.MODEL_LOST, "person after stream"),
    "stream that the model refused": ("stream", "", Ending.MODEL_REFUSED, "person after stream"),
    "stream whose model was silent": ("stream", "", Ending.MODEL_SILENT, "person after stream"),
    "drain of a call that ended well": ("drain", "", Ending.CALLER_HUNG_UP, "stream"),
    "drain": ("drain", "", Ending.DRAINED, "stream"),
    "sip that was not answered": ("sip", "no-answer", None, "stream"),
    "sip that failed": ("sip", "failed", Ending.CALLER_HUNG_UP, "stream"),
    "sip of which nothing is known": ("sip", "completed", None, HANGS_UP),
    "sip whose agent hung up": ("sip", "completed", Ending.AGENT_HUNG_UP, HANGS_UP),
    "sip whose caller is said to have gone": (
        "sip",
        "completed",
        Ending.CALLER_HUNG_UP,
        "stream",
    ),
    "sip that broke": ("sip", "answered", Ending.MODEL_LOST, "stream"),
    "transfer": ("transfer", "completed", Ending.TRANSFERRED, HANGS_UP),
    "transfer that was answered": ("transfer", "answered", None, HANGS_UP),
    "transfer that nobody took": ("transfer", "busy", Ending.TRANSFERRED, "stream"),
    "person who took it": ("human", "completed", None, HANGS_UP),
    "person who did not": ("human", "no-answer", None, "person after human"),
}


@pytest.mark.parametrize(("leg", "status", "ending", "answer"), AFTER.values(), ids=AFTER)
async def test_what_follows_a_leg(
    leg: str, status: str, ending: Ending | None, answer: str
) -> None:
    chain = Chain(ending)
    assert await chain.after(leg, status) == answer
    told = [one for one in chain.asked if one[0] in ("over", "dial over")]
    expected: dict[str, list[tuple[Any, ...]]] = {
        "stream": [("over", CALL_SID, False)],
        "drain": [("over", CALL_SID, True)],
        "sip": [("dial over", CALL_SID)],
    }
    assert told == expected.get(leg, [])


@pytest.mark.parametrize("leg", ["sip", "transfer"])
async def test_after_a_dial_the_agent_gets_a_stream_that_knows_the_call(leg: str) -> None:
    before = state(agent="night")
    chain = Chain(state=before)
    assert await chain.after(leg, "busy") == "stream"
    opening = prompts.not_taken("busy") if leg == "transfer" else None
    assert chain.asked[-1] == ("stream", "night", opening, before)
    assert before.silently
    assert chain.steps_counted == ["media"]
    assert chain.resumed == []


@pytest.mark.parametrize(
    ("leg", "has_sip", "answer", "steps"),
    [
        ("transfer", True, "sip", ["sip"]),
        ("transfer", False, "person after transfer", []),
        ("sip", True, "person after sip", []),
    ],
)
async def test_without_a_slot_for_a_stream_sip_takes_what_it_has_not_failed(
    leg: str, has_sip: bool, answer: str, steps: list[str]
) -> None:
    chain = Chain()
    chain.admits, chain.has_sip = False, has_sip
    with capture_logs() as logs:
        assert await chain.after(leg, "busy") == answer
    assert chain.steps_counted == steps
    dialled = [one for one in chain.asked if one[0] == "sip"]
    asked = [("sip", "desk", prompts.not_taken("busy"))]
    assert dialled == (asked if leg == "transfer" else [])
    assert [line["event"] for line in logs] == ["failover_no_agent"]


RESUME: dict[str, tuple[str, Ending | None, str, int, tuple[bool, int, str]]] = {
    # leg, ending, how the agent resumes, resumes before; silently, resumes after, the metric
    "announced": ("stream", Ending.MEDIA_BROKEN, "announce", 0, (False, 1, "announced")),
    "silent": ("stream", Ending.MEDIA_BROKEN, "silent", 1, (True, 2, "silent")),
    "the last": ("stream", None, "announce", limits.call.RESUMES_MAX - 1, (False, 3, "announced")),
    "drained": ("stream", Ending.DRAINED, "announce", 2, (True, 2, "handed_over")),
    "drain": ("drain", Ending.MEDIA_BROKEN, "announce", 2, (True, 2, "handed_over")),
}


@pytest.mark.parametrize(
    ("leg", "ending", "resume", "before", "after"), RESUME.values(), ids=RESUME
)
async def test_how_a_stream_is_resumed(
    leg: str, ending: Ending | None, resume: str, before: int, after: tuple[bool, int, str]
) -> None:
    known = state(resumes=before)
    chain = Chain(ending, known)
    assert await chain.after(leg, agent=agent(resume=resume)) == "stream"
    assert chain.asked[-1] == ("stream", "desk", None, known)
    assert (known.silently, known.resumes, *chain.resumed) == after
    assert chain.steps_counted == []


async def test_a_stream_goes_on_with_the_agent_that_led_it() -> None:
    chain = Chain(Ending.MEDIA_BROKEN, state(agent="night"))
    await chain.after("stream")
    assert chain.asked[-1][1] == "night"


async def test_a_stream_that_was_resumed_often_enough_is_not_again() -> None:
    chain = Chain(Ending.MEDIA_BROKEN, state(resumes=limits.call.RESUMES_MAX))
    assert await chain.after("stream") == "person after stream"
    assert chain.resumed == []


async def test_a_stream_without_a_slot_goes_on_by_sip() -> None:
    chain = Chain(Ending.MEDIA_BROKEN, state())
    chain.admits = False
    with capture_logs() as logs:
        assert await chain.after("stream") == "sip"
    assert chain.asked[-1] == ("sip", "desk", prompts.RESUMED)
    assert (chain.steps_counted, chain.resumed) == (["sip"], [])
    assert [line["event"] for line in logs] == ["failover_no_agent"]
    chain.has_sip = False
    assert await chain.after("stream") == "person after stream"
    assert chain.steps_counted == ["sip"]


async def test_a_stream_of_which_nothing_is_known_begins_anew_a_few_times() -> None:
    chain = Chain(Ending.MEDIA_BROKEN)
    for _ in range(limits.call.RESUMES_MAX):
        assert await chain.after("stream") == "stream"
        assert chain.asked[-1] == ("stream", "desk", prompts.FORGOTTEN, None)
    assert chain.resumed == ["without_history"] * limits.call.RESUMES_MAX
    assert await chain.after("stream") == "person after stream"


async def test_an_agent_may_rather_have_a_forgotten_call_transferred() -> None:
    chain = Chain(Ending.MEDIA_BROKEN)
    forgetful = agent(if_forgotten="transfer", fallback="+15550177")
    assert await chain.after("stream", agent=forgetful) == "person after stream"
    assert chain.resumed == []


async def test_a_call_has_only_so_many_legs() -> None:
    chain = Chain()
    for _ in range(limits.call.LEGS_MAX):
        assert await chain.after("human", "busy") == "person after human"
    assert await chain.after("human", "busy") == "apology"


@pytest.mark.parametrize("leg", ["drain", "stream"])
async def test_legs_that_end_since_a_process_stops_are_counted_apart(leg: str) -> None:
    chain = Chain(Ending.DRAINED, state())
    for _ in range(limits.call.PASSES_MAX):
        assert await chain.after(leg) == "stream"
    assert await chain.store.get(f"legs:{CALL_SID}") is None
    assert await chain.after(leg) == "stream"
    assert await chain.store.get(f"legs:{CALL_SID}") == "1"


@pytest.mark.parametrize("leg", ["stream", "drain", "sip", "transfer"])
async def test_a_process_that_hands_over_sends_streams_on(leg: str) -> None:
    chain = Chain(Ending.MEDIA_BROKEN, state())
    chain.hands_over = True
    passed = f"pass-on.xml https://gw/twilio/after?leg={leg}#rc=2&rp=all"
    assert await chain.after(leg, "busy") == (passed if leg in ("stream", "drain") else "stream")


@pytest.mark.parametrize(("leg", "next_leg"), [("transfer", "human"), ("stream", "stream")])
async def test_a_call_that_is_spent_gets_no_agent(leg: str, next_leg: str) -> None:
    chain = Chain(Ending.MEDIA_BROKEN, state())
    chain.store.remember(spent_key(CALL_SID), "", 60.0)
    assert await chain.after(leg, "busy") == f"person after {next_leg}"
    assert not any(one[0] in ("stream", "sip") for one in chain.asked)


async def test_a_refer_is_told_its_target_and_one_without_is_no_transfer() -> None:
    chain = Chain()
    chain.registry.hands_over = False
    to = msgspec.json.encode(TransferCaller("+15550123")).decode()
    chain.store.remember(refer_key(CALL_SID), to, 60.0)
    assert text_of(await chain.failover.refer(CALL, DESK)) == "to +15550123"
    await chain.store.delete(refer_key(CALL_SID))
    assert text_of(await chain.failover.refer(CALL, DESK)) == "stream"
    assert chain.asked == [("stream", "desk", prompts.not_taken(""), None)]


# --- Back from typing ---

ENTRY = SecretEntry("nonce", "desk", "digits", "pin", "en")


async def test_the_caller_comes_back_into_the_conversation() -> None:
    history = ConversationHistory()
    history.called("call_1", "collect_digits", "{}")
    history.called("call_2", "take_payment", "{}")
    known = state(agent="night", history=history.items)
    chain = Chain(state=known)
    answer = SecretAnswer("done", "Thank you.", "tok")
    assert text_of(await chain.failover.back(CALL, DESK, ENTRY, answer)) == "stream"
    assert chain.asked == [("stream", "night", None, known)]
    assert known.silently
    assert known.secret_ended == ("digits", "pin", "done")
    [output] = [item.text for item in known.history if item.kind == "output"]
    assert output == prompts.secret_outcome("done", "Thank you.", "tok")


async def test_without_an_entry_nothing_is_answered() -> None:
    known = state()
    chain = Chain(state=known)
    assert text_of(await chain.failover.back(CALL, None)) == "apology.xml"
    known.agent = "night"
    assert text_of(await chain.failover.back(CALL, None)) == "stream"
    assert known.secret_ended == state().secret_ended
    assert known.silently


async def test_a_conversation_that_is_forgotten_begins_anew() -> None:
    chain = Chain()
    assert text_of(await chain.failover.back(CALL, DESK, ENTRY)) == "stream"
    assert chain.asked == [("stream", "desk", prompts.FORGOTTEN, None)]
    rather = agent(if_forgotten="transfer", fallback="+15550177")
    assert text_of(await chain.failover.back(CALL, rather, ENTRY)) == "person after stream"


async def test_who_comes_back_to_a_full_gateway_goes_on_by_sip_or_a_person() -> None:
    chain = Chain(state=state())
    chain.admits = False
    with capture_logs() as logs:
        assert text_of(await chain.failover.back(CALL, DESK, ENTRY)) == "sip"
        assert chain.asked[-1] == ("sip", "desk", prompts.RESUMED)
        chain.has_sip = False
        assert text_of(await chain.failover.back(CALL, DESK, ENTRY)) == "person after stream"
    assert [line["event"] for line in logs] == ["failover_no_agent"] * 2
