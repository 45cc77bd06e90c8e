"""What was wanted is not forgotten: each story here was first drawn at random, and reduced."""

from __future__ import annotations

from typing import Final

from call import wires
from call.play import Book, answered, asks, asks_for_an_answer, note, nothing, outputs, wait
from call.sideband import attached, reattaches
from call.tools.test_function_calls import function
from call.vendor_events import (
    caller_said,
    committed,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
)
from gateway.agents.config.models import DEFAULT_MODEL
from gateway.call import commands as do
from gateway.call import events, inputs

LOST: Final = inputs.ModelLost("closed_1006")
OPENED: Final = inputs.ModelOpened()
STOCK: Final = {"tools": ["stock"], "functions": {"stock": function()}}


def test_an_output_that_waited_for_the_end_of_an_answer_outlives_the_sideband() -> None:
    book = attached(**STOCK) >> response_created() << nothing
    book >> response_done(calls=(("stock", "call_1"),)) << note(events.ToolCalled) << ...
    book >> response_created("resp_2") << nothing
    book >> inputs.ToolFinished("call_1", "three left", "ok") << note(events.ToolCompleted)
    book << outputs("call_1", "three left") >> LOST << reattaches << nothing
    book >> OPENED << note(events.SidebandConnected) << asks_for_an_answer << nothing


def test_an_operators_words_outlive_it_too() -> None:
    book = attached(**STOCK) >> response_created() << nothing
    book >> inputs.SayRequested("Mind the gap.") << nothing >> LOST << reattaches << nothing
    book >> OPENED << note(events.SidebandConnected) << asks("Mind the gap.") << nothing


def talked_over() -> Book:
    """A turn of the caller ends while the model still speaks, and cannot be interrupted."""
    detection = {"type": "server_vad", "interrupt_response": False}
    book = attached(turn_detection=detection) >> response_created() << nothing
    return book >> speech_started() << nothing >> speech_stopped() << nothing >> committed()


def test_a_turn_into_an_answer_is_answered_next() -> None:
    book = talked_over() << nothing >> response_done() << asks_for_an_answer << nothing
    book >> response_created("resp_2") << nothing >> response_done("resp_2") << nothing


def test_and_not_twice_where_the_server_answers_it() -> None:
    book = talked_over() << nothing >> response_created("resp_2") << nothing
    book >> response_done("resp_2") << nothing


def test_a_turn_that_waits_for_its_answer_is_not_lost_with_the_hour() -> None:
    """Its words are known, and the server's own answer had not begun when the session went."""
    book = answered(idle={"nudge_after_s": 500, "end_after_s": 600}) << ...
    book.call.model_link.next_session.plan(9.0)
    (
        book
        >> wait(6.0)
        << do.OpenNextSession(DEFAULT_MODEL)
        >> inputs.NextSessionEvent(session_created())
        << ...
    )
    book >> speech_started(6_000) << nothing
    book >> inputs.NextSessionEvent(session_updated(book.agent)) << nothing >> wait(1.9) << nothing
    book >> speech_stopped(7_900) << nothing >> committed() << nothing
    book >> caller_said("turn_1", "And on Sundays?") << note(events.TranscriptLine) << nothing
    outs = (book >> wait(0.2)).outs()
    assert do.SwitchToNextSession() in outs
    assert any("response.create" in wires.show(out) for out in outs)
