"""A change of sessions in the middle of a turn: the turn is answered, whatever the server does."""

from __future__ import annotations

from call.play import Book, answered, asks_for_an_answer, wait
from call.session.test_reconnect import GONE, back
from call.vendor_events import (
    already_active,
    caller_said,
    committed,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call.inputs import NextSessionEvent


def asked(book: Book) -> int:
    return sum(event["type"] == "response.create" for event in book.said)


def test_a_turn_of_ours_that_went_with_the_session_is_asked_for_if_it_does_not_end_again() -> None:
    """The next session hears it again; its VAD may not take it for a turn."""
    book = answered(barge_in={"min_speech_ms": 300}) >> speech_started(0) >> speech_stopped(900)
    book >> committed() << asks_for_an_answer >> GONE << ...
    back(book) << ...
    before = asked(book)
    book >> wait(limits.model.RESPONSE_START_MAX_S - 0.1) << ...
    assert asked(book) == before, "the server has its time to end the turn again"
    book >> wait(0.2) << asks_for_an_answer


def test_a_turn_that_ends_again_is_asked_for_once() -> None:
    book = answered(barge_in={"min_speech_ms": 300}) >> speech_started(0) >> speech_stopped(900)
    book >> committed() << asks_for_an_answer >> GONE << ...
    back(book) << ...
    book >> speech_started(0) << ... >> speech_stopped(900) << ...
    before = asked(book)
    book >> committed("turn_2") << asks_for_an_answer
    book >> response_created() >> response_done() << ... >> wait(limits.model.RESPONSE_START_MAX_S)
    book << ...
    assert asked(book) == before + 1


def test_a_turn_over_at_a_rollover_is_answered_after_what_waits() -> None:
    """The greeting was refused for another response, and waits; then the session changes."""
    book = answered(greeting="Hello.") << ...
    book.call.model_link.next_session.plan(0.9)
    book >> wait(0.9) << ... >> NextSessionEvent(session_created()) << ...
    book >> NextSessionEvent(session_updated(book.agent)) << ... >> speech_started(0) << ...
    book >> already_active() << ... >> response_done("resp_0") << ...
    book >> speech_stopped(900) << ... >> committed() << ... >> wait(1.0)
    assert any("SwitchToNextSession" in type(out).__name__ for out in book.outs())
    assert "Hello." in str(book.said[-1])
    book >> response_created("resp_1") << ... >> response_done("resp_1") << asks_for_an_answer


def test_words_that_come_after_the_loss_do_not_answer_the_turn() -> None:
    book = answered(barge_in={"min_speech_ms": 300}) >> speech_started(0) >> speech_stopped(900)
    book >> committed() << asks_for_an_answer >> GONE << ... >> caller_said("turn_1", "Hm?") << ...
    back(book) << ... >> wait(limits.model.RESPONSE_START_MAX_S + 0.1) << asks_for_an_answer
