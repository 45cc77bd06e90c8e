"""What was decided about a call before its first word: another agent, a sentence, a transfer."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from call.play import Book, an_agent, nothing
from call.sideband import SipBook
from call.vendor_events import session_created, session_updated, start

from gateway.agents.builtin_tools import definitions
from gateway.agents.session import session_of
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.briefing import Briefing
from gateway.call.commands import TransferCaller
from gateway.call.dialogue.agent_change import AgentSession
from gateway.call.paths import media_call
from gateway.call.privacy.call_privacy import CallPrivacy


def other(**fields: Any) -> AgentSession:
    agent = an_agent(name="billing", instructions="About invoices.", greeting="Billing.", **fields)
    return AgentSession(agent, session_of(agent, definitions(agent)))


def decide(book: Book, following: AgentSession, briefing: Briefing | None = None) -> Book:
    decided = inputs.CallDecided(following.agent, following.session, briefing or Briefing())
    book >> decided
    book.agent = following.agent
    return book


def updates(book: Book) -> list[dict[str, Any]]:
    return [event["session"] for event in book.said if event["type"] == "session.update"]


def test_before_the_session_is_there_it_is_configured_once() -> None:
    book = decide(Book(), other()) << ...
    assert not updates(book)
    book >> session_created() << ... >> session_updated(book.agent) << ... >> start() << ...
    book >> book.next_frame() << ...
    (session,) = updates(book)
    assert session["instructions"] == "About invoices."
    assert "Billing." in str(book.said[-1])


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_session_that_was_asked_for_is_asked_for_something_else(confirmed: bool) -> None:
    book = Book(noise_reduction="near_field", tools=["end_call", "take_message"])
    book >> session_created() << ...
    if confirmed:
        book >> session_updated(book.agent) << ...
    decide(book, other(voice="cedar")) << ...
    _, change = updates(book)
    assert change["instructions"] == "About invoices."
    assert change["audio"]["output"]["voice"] == "cedar"
    assert change["audio"]["input"]["noise_reduction"] is None
    assert [tool["name"] for tool in change["tools"]] == ["end_call"]
    if not confirmed:
        book >> session_updated(book.agent) << ...
    book >> session_updated(book.agent) << ... >> start() << ... >> book.next_frame() << ...
    order = [event["type"] for event in book.said if event["type"] != "conversation.item.create"]
    assert order == ["session.update", "session.update", "response.create"]
    assert "Billing." in str(book.said[-1])


@pytest.mark.parametrize("before", ["connecting", "configuring", "ready"])
def test_another_model_needs_another_connection(before: str) -> None:
    book = Book()
    if before != "connecting":
        book >> session_created() << ...
    if before == "ready":
        book >> session_updated(book.agent) << ...
    decide(book, other(model="gpt-realtime-2.1-mini"))
    outs = book.outs()
    book << ...
    assert [out for out in outs if isinstance(out, do.OpenModel)] == [do.OpenModel(0.0)]
    changed = [out for out in outs if isinstance(out, events.AgentChanged)]
    assert [(one.before, one.agent) for one in changed] == [("desk", "billing")]
    book.said.clear()
    book >> session_created() << ... >> session_updated(book.agent) << ... >> start() << ...
    book >> book.next_frame() << ...
    (session,) = updates(book)
    assert session["instructions"] == "About invoices."
    assert "Billing." in str(book.said[-1])


def test_the_same_session_is_not_asked_for_again() -> None:
    book = Book(greeting="Hello.") >> session_created() << ...
    book >> session_updated(book.agent) << ...
    agent = book.agent.model_copy(update={"greeting": "Hello Amel."})
    decide(book, AgentSession(agent, book.session), Briefing(notes="x", language="fr")) << ...
    assert len(updates(book)) == 1
    assert book.call.language == "fr"
    book >> start() << ... >> book.next_frame() << ...
    assert "Hello Amel." in str(book.said[-1])


def test_a_decision_that_comes_too_late_changes_nothing() -> None:
    book = Book(greeting="Hello.") >> session_created() << ...
    book >> session_updated(book.agent) << ... >> start() << ...
    book >> inputs.CallDecided(other().agent, other().session, Briefing(notes="x")) << nothing
    assert book.call.agent.name == "desk"


def test_a_sentence_is_said_in_place_of_the_greeting_and_the_call_ends() -> None:
    book = SipBook(greeting="Hello.")
    book.call.decision.refuse("We are closed today.")
    book >> inputs.CallAccepted() << ...
    book >> inputs.ModelOpened() << ...
    said = [event for event in book.said if event["type"] == "response.create"]
    assert len(said) == 1
    assert "We are closed today." in str(said[0])
    assert book.call.phase == "goodbye"


def test_a_transfer_begins_in_place_of_the_greeting() -> None:
    book = SipBook(greeting="Hello.")
    book.call.decision.transfer(TransferCaller("+15550199"))
    book >> inputs.CallAccepted() << ... >> inputs.ModelOpened() << ...
    said = [event for event in book.said if event["type"] == "response.create"]
    assert len(said) == 1
    assert "Hello." not in str(said[0])


def test_the_switches_are_those_of_the_agent_that_leads_the_call_from_its_first_word() -> None:
    book = Book(record="none", redact=["digits"], privacy="pci") >> session_created() << ...
    following = other(record="transcript", redact=["emails"])
    decide(book, following)
    wanted = CallPrivacy("transcript", redact=("emails",))
    assert [o for o in book.outs() if isinstance(o, events.PrivacyChanged)] == [
        events.PrivacyChanged(wanted)
    ]
    book << ...
    assert book.call.privacy == wanted


class UndecidedBook(Book):
    """A call of an agent whose `before` may name one that records calls."""

    machine = staticmethod(partial(media_call, may_be_recorded=True))


RECORDING = {"consent": "Recorded.", "format": "wav"}


@pytest.mark.parametrize(
    ("first", "following", "recorded"),
    [({}, {"recording": RECORDING}, True), ({"recording": RECORDING}, {}, False), ({}, {}, False)],
)
def test_the_recording_is_that_of_the_agent_that_was_decided_on(
    first: dict[str, Any], following: dict[str, Any], recorded: bool
) -> None:
    book = UndecidedBook(**first) >> session_created() << ...
    book >> session_updated(book.agent) << ...
    decide(book, other(**following)) << ... >> session_updated(book.agent) << ...
    book >> start() << ... >> book.next_frame() << ...
    asked = [str(event) for event in book.said if event["type"] == "response.create"]
    assert ("Recorded." in asked[0]) == recorded
    assert book.call.recording.wanted == recorded
    tap = book.call.line.tap
    assert tap is not None
    assert bool(tap.take()) == recorded, "of a call that is not recorded nothing is written down"


def test_an_agent_that_was_decided_on_for_a_moment_stops_no_recording() -> None:
    book = UndecidedBook(recording=RECORDING)
    decide(book, other()) << ...
    assert not book.call.recording.wanted
    decide(book, AgentSession(an_agent(recording=RECORDING), other().session)) << ...
    assert (book.call.recording.wanted, book.call.recording.paused) == (True, False)
