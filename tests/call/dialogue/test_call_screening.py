"""A telephone's assistant asks who is calling: what it gets, and what the person gets then."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from call.play import Book, note, wait
from call.session.test_opening_items import ANN, NINE
from call.sideband import SipBook
from call.vendor_events import (
    caller_said,
    committed,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
)

from gateway import limits
from gateway.call import events, inputs
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.paths import media_call, sip_call

OUT = CallInfo("CA1", ANN.caller, ANN.dialled, "desk", "media-streams", direction="outbound")
ASKS = "Please say your name and why you are calling."
WAITS = "Thank you. Please stay on the line."


def outbound(policy: str | None) -> dict[str, Any]:
    return {"from": "+15550100", **({"screening": policy} if policy else {})}


class OutBook(Book):
    machine = staticmethod(partial(media_call, wall_clock=NINE, info=OUT))


class OutSipBook(SipBook):
    machine = staticmethod(partial(sip_call, wall_clock=NINE, info=OUT))


def answered(path: str, policy: str | None = "explain", **agent: Any) -> Book:
    """A call that somebody has taken; the agent has not spoken."""
    fields = {"outbound": outbound(policy), "instructions": "Call people.", **agent}
    book: Book = OutBook(**fields) if path == "media" else OutSipBook(**fields)
    book.call.brief(Briefing("A parcel."))
    if path == "media":
        book >> session_created() << ... >> session_updated(book.agent) << ... >> start() << ...
        book >> book.next_frame() << ...
    else:
        book >> inputs.CallAccepted() << ... >> inputs.ModelOpened() << ...
    return book


def turn(book: Book, words: str, number: int = 1) -> Book:
    """The other side says something, and the server has it as text."""
    book >> speech_started(0) << ... >> speech_stopped(900) << ...
    book >> committed(f"turn_{number}") << ...
    book >> caller_said(f"turn_{number}", words)
    return book


def asked(book: Book) -> list[str]:
    book << ...
    return [str(event) for event in book.said if event["type"] == "response.create"]


def detection(book: Book) -> list[Any]:
    updates = [event["session"] for event in book.said if event["type"] == "session.update"]
    found = [one["audio"]["input"]["turn_detection"] for one in updates]
    return [one.get("create_response") for one in found]


@pytest.mark.parametrize("path", ["media", "sip"])
def test_it_is_told_in_one_sentence_who_calls_and_the_person_is_waited_for(path: str) -> None:
    book = answered(path)
    turn(book, ASKS)
    (said,) = asked(book)
    assert "A parcel." in said
    assert "one short sentence" in said
    assert detection(book)[-1] is False
    book >> response_created("resp_1") << ... >> response_done("resp_1") << ...
    turn(book, WAITS, 2)
    assert len(asked(book)) == 1, "the assistant is not answered again"
    turn(book, "Hello, this is Ann.", 3)
    assert len(asked(book)) == 2
    assert "Now the person is on the line" in str(book.said)
    assert detection(book)[-1] is True


@pytest.mark.parametrize("path", ["media", "sip"])
def test_an_answer_that_the_server_has_begun_is_cut_off(path: str) -> None:
    book = answered(path)
    book >> speech_started(0) << ... >> speech_stopped(900) << ... >> committed() << ...
    book >> response_created("resp_1") << ... >> caller_said("turn_1", ASKS) << ...
    assert [one["response_id"] for one in book.said if one["type"] == "response.cancel"] == [
        "resp_1"
    ]
    assert not asked(book)
    book >> response_done("resp_1", "cancelled")
    (said,) = asked(book)
    assert "A parcel." in said


def test_an_answer_that_the_server_begins_later_is_cut_off_too() -> None:
    book = answered("media")
    turn(book, ASKS) << ...
    book >> response_created("resp_1") << ... >> response_done("resp_1") << ...
    book >> speech_started(0) << ... >> speech_stopped(900) << ... >> committed("turn_2") << ...
    book >> response_created("resp_2") << ...
    assert [one["response_id"] for one in book.said if one["type"] == "response.cancel"] == [
        "resp_2"
    ]


@pytest.mark.parametrize("path", ["media", "sip"])
def test_it_may_be_hung_up_on(path: str) -> None:
    book = turn(answered(path, "hang_up"), ASKS)
    assert any(isinstance(out, events.CallEnded) for out in book.outs())
    assert book.call.ending is Ending.MACHINE_ANSWERED
    book << ...


def test_nobody_waits_for_ever_and_the_silence_is_not_nudged() -> None:
    book = answered("media")
    turn(book, ASKS) << ...
    book >> response_created("resp_1") << ... >> response_done("resp_1") << ...
    book >> wait(limits.outbound.SCREENING_WAIT_S - 6) << ...
    assert len(asked(book)) == 1
    assert book.call.ending is None
    book >> wait(12.0) << ...
    assert book.call.ending is Ending.MACHINE_ANSWERED


def test_the_carriers_word_that_it_is_a_machine_counts_for_nothing_meanwhile() -> None:
    book = answered("media")
    turn(book, ASKS) << ...
    book >> inputs.MachineDetectionFinished("machine") << note(events.AnswererDetected) << ...
    assert book.call.ending is None


@pytest.mark.parametrize("policy", [None, "explain"])
def test_a_person_is_no_assistant(policy: str | None) -> None:
    book = turn(answered("media", policy), "Hello, who is calling please?")
    assert not asked(book)
    assert not any("screening" in str(out) for out in book.outs())


def test_whoever_calls_us_is_not_screened() -> None:
    book = Book(outbound=outbound("explain"))
    book >> session_created() << ... >> session_updated(book.agent) << ... >> start() << ...
    book >> book.next_frame() << ...
    turn(book, ASKS)
    assert not asked(book)


@pytest.mark.parametrize(("before", "screened"), [(2, True), (3, False)])
def test_an_assistant_is_looked_for_in_the_first_turns_only(before: int, screened: bool) -> None:
    book = answered("media", "hang_up")
    for number in range(1, before + 1):
        turn(book, "One moment.", number) << ...
    turn(book, ASKS, before + 1)
    found = any(isinstance(out, events.AnswererDetected) for out in book.outs())
    assert found == screened
