"""A leg to the agent, with what happens between two of its steps."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic, time
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from gateway_calls import TOKEN, token_in
from running_gateway import PUBLIC_URL

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.briefings import Briefings
from gateway.call.briefing import Briefing
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.ops.limits.signed_tokens import DialTokens, StreamTokens
from gateway.ops.startup_checks import templates_of
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.settings import load_settings
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.twiml_documents import TwimlDocuments

AGENT = Agent(name="reception", instructions="Be kind.")
CALL_SID = "CA" + "1" * 32
CALL = VoiceRequest(CALL_SID, "+15550199", "+15550100", "in-progress")


class Process:
    """Registry, admission and snapshots of a process that begins to drain while it writes."""

    def __init__(self, *, drains: bool) -> None:
        self.sends_on, self._drains = False, drains
        self.briefings = Briefings(Store(MemoryStore(monotonic)))
        self.announced: list[Any] = []
        self.admitted: list[str] = []
        self.released: list[tuple[str, bool]] = []

    async def admit(self, call_sid: str, *_: Any) -> None:
        self.admitted.append(call_sid)

    async def release(self, call_sid: str, *, ended: bool = True) -> None:
        self.released.append((call_sid, ended))

    async def expect(self, *_: Any) -> None:
        self.sends_on = self._drains

    def announce(self, facts: Any, *_: Any) -> None:
        self.announced.append(facts.call_sid)


def leg(process: Any) -> MediaStreamLeg:
    documents = TwimlDocuments(templates_of(load_settings({}, simulated=True)))
    tokens = StreamTokens([TOKEN], Store(MemoryStore(monotonic)), time)
    url = "wss://gw.example.com/twilio/media"
    return MediaStreamLeg(PUBLIC_URL, url, documents, process, process, process, tokens)


def state() -> CallSnapshot:
    return CallSnapshot("reception", "media-streams", CALL.caller, CALL.dialled)


async def test_a_process_that_begins_to_drain_meanwhile_leaves_the_call_to_others() -> None:
    """The stream comes to whichever process takes calls, and finds the slot still taken."""
    process = Process(drains=True)
    response = await leg(process).connect(CALL, AGENT, state=state())
    assert token_in(bytes(response.body).decode())
    assert process.announced == []
    assert process.released == [(CALL_SID, False)]


async def test_otherwise_it_announces_the_call_itself() -> None:
    process = Process(drains=False)
    await leg(process).connect(CALL, AGENT, state=state())
    assert (process.admitted, process.announced) == ([CALL_SID], [CALL_SID])
    assert process.released == []


class Full(Process):
    """One that is full by the time at which the call is announced."""

    def announce(self, *_: Any) -> None:
        raise NotAdmitted("full")


async def test_a_call_that_is_not_taken_after_all_leaves_its_slot() -> None:
    process = Full(drains=False)
    with pytest.raises(NotAdmitted, match="full"):
        await leg(process).connect(CALL, AGENT)
    assert (process.admitted, process.released) == ([CALL_SID], [(CALL_SID, True)])


@pytest.mark.parametrize("expected", [True, False])
async def test_a_call_that_is_withdrawn_ends_and_leaves_its_slot(expected: bool) -> None:
    """Another process may have it: then this one has only to free the slot."""
    process: Any = Process(drains=False)
    endings: list[Ending] = []
    waiting = SimpleNamespace(hang_up=endings.append) if expected else None
    process.expected = {CALL_SID: waiting}.get
    await leg(process).withdraw(CALL)
    assert endings == [Ending.TURNED_AWAY] * expected
    assert process.released == [(CALL_SID, True)]


class Deciding(Process):
    """What is done about a call that is connected, in its order."""

    def __init__(self) -> None:
        super().__init__(drains=False)
        self.done: list[tuple[Any, ...]] = []

    async def admit(self, *of: Any) -> None:
        self.done.append(("admit", *of))

    async def release(self, call_sid: str, *, ended: bool = True) -> None:
        self.done.append(("release", call_sid))

    async def expect(self, call_sid: str, state: CallSnapshot, _within_s: Any) -> None:
        self.done.append(("expect", call_sid, state.agent))

    def expected(self, call_sid: str) -> str:
        return f"the call {call_sid}"

    def decide_anew(self, call: Any, name: str, _briefing: Briefing) -> None:
        self.done.append(("decide", call, name))


ANOTHER = Agent(name="night", instructions="Be brief.", max_calls=2)
FOUND = [
    ("expect", CALL_SID, "night"),
    ("decide", f"the call {CALL_SID}", "night"),
]
SLOT = [("release", CALL_SID), ("admit", CALL_SID, CALL.caller, "night", 2)]


@pytest.mark.parametrize(
    ("before", "outbound", "done"),
    [(AGENT, False, SLOT + FOUND), (ANOTHER, False, FOUND), (AGENT, True, FOUND)],
)
async def test_a_call_that_another_agent_gets_has_a_slot_of_that_agent(
    before: Agent, outbound: bool, done: list[tuple[Any, ...]]
) -> None:
    process = Deciding()
    call = replace(CALL, outbound=outbound)
    await leg(process).decide_anew(call, before, ANOTHER, Briefing())
    assert process.done == done


class Dialling:
    """Registry that says whether a call by SIP can be taken, and notes what is to come."""

    def __init__(self, refusal: str | None) -> None:
        self._refusal = refusal
        self.noted: list[tuple[str | None, ...]] = []

    def refusal(self, path: str, call_sid: str) -> str | None:
        assert (path, call_sid) == ("sip", CALL_SID)
        return self._refusal

    def dialling_for(self, *of: str) -> None:
        self.noted.append(of)

    def begin_with(self, *of: str | None) -> None:
        self.noted.append(of)


@pytest.mark.parametrize(
    ("uri", "refusal", "dials"),
    [
        ("sip:model@sip.example.com", None, True),
        ("sip:model@sip.example.com", "full", False),
        (None, None, False),
        (None, "full", False),
    ],
)
def test_the_model_is_dialled_where_it_can_be_and_has_room(
    uri: str | None, refusal: str | None, dials: bool
) -> None:
    process: Any = Dialling(refusal)
    documents = TwimlDocuments(templates_of(load_settings({}, simulated=True)))
    tokens = DialTokens([TOKEN], Store(MemoryStore(monotonic)), time)
    response = SipLeg(PUBLIC_URL, uri, documents, process, tokens).dial(CALL, AGENT, "Hello.")
    assert (response is not None) == dials
    assert process.noted == [(CALL_SID, CALL.dialled), (CALL_SID, "Hello.")] * dials
    if response is not None:
        document = ElementTree.fromstring(bytes(response.body))
        address = document.findtext("Dial/Sip", "").strip()
        assert address.startswith("sip:model@sip.example.com?X-Gateway-Call=")
