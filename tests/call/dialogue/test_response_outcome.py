"""A response that ends without what it owed: continued, spoken, asked for again, and counted."""

from __future__ import annotations

from typing import Any

import pytest
from call.line.test_hold_tone import holds
from call.play import (
    Book,
    Expected,
    answered,
    asks,
    asks_for_an_answer,
    clears,
    ends,
    note,
    nothing,
    wait,
)
from call.sideband import attached, started, stopped
from call.tools.test_function_calls import agent_with, finished
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    model_says,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.session.model_errors import pause_s
from gateway.protocols.realtime_server import ErrorBody

RETRIES = limits.model.RESPONSE_RETRIES_MAX


def reported(code: str) -> Expected:
    return note(events.ModelErrorReported, fault="recoverable", code=code)


def half_said(book: Book) -> Book:
    """The model has said half a sentence, and its response ends there."""
    book = book >> response_created() >> model_says("item_1", "Your table is")
    return book >> audio_delta(ms=400) << ... >> audio_done() << ...


def test_what_broke_off_is_continued_from_there() -> None:
    book = half_said(answered())
    book >> response_done(status="incomplete", reason="max_output_tokens")
    book << reported("incomplete_max_output_tokens") << asks("Your table is") << nothing


def test_it_is_continued_once_for_each_turn_of_the_caller() -> None:
    book = half_said(answered())
    book >> response_done(status="incomplete", reason="max_output_tokens") << ...
    book >> response_created("resp_2") >> model_says("item_2", "booked for", "resp_2")
    book >> audio_delta("item_2", ms=100, response_id="resp_2") << ...
    book >> response_done("resp_2", "incomplete", reason="max_output_tokens")
    book << reported("incomplete_max_output_tokens") << nothing


@pytest.mark.parametrize(
    ("reason", "code"),
    [("content_filter", "incomplete_content_filter"), ("new_reason", "incomplete_other")],
)
def test_an_answer_that_was_stopped_before_any_sound_is_asked_for_again(
    reason: str, code: str
) -> None:
    book = answered() >> response_created()
    book >> response_done(status="incomplete", reason=reason)
    book << reported(code) << asks_for_an_answer << nothing


without_sound = pytest.mark.parametrize(
    ("ended", "code"),
    [
        ({"said": ()}, "no_sound"),
        ({"status": "incomplete", "reason": "content_filter"}, "incomplete_content_filter"),
    ],
    ids=["empty", "stopped"],
)
"""What was wanted is asked for again as it was asked for, once: then there are other words."""


@without_sound
def test_a_greeting_is_asked_for_again(ended: dict[str, Any], code: str) -> None:
    book = answered(greeting="Good morning.") << ... >> response_created() << nothing
    book >> response_done(**ended) << reported(code) << asks("Good morning.") << nothing


@without_sound
def test_what_an_operator_says_is_asked_for_again(ended: dict[str, Any], code: str) -> None:
    book = answered() >> inputs.SayRequested("We close now.") << asks("We close now.")
    book >> response_created() >> response_done(**ended)
    book << reported(code) << asks("We close now.") << nothing


@without_sound
def test_an_answer_to_an_output_is_asked_for_again(ended: dict[str, Any], code: str) -> None:
    book = agent_with() >> response_created() >> response_done(calls=(("hours", "call_1"),))
    book << ... >> finished("call_1") << ... >> response_created("resp_2") << nothing
    book >> response_done("resp_2", **ended) << reported(code) << asks_for_an_answer << nothing


@without_sound
def test_a_farewell_is_asked_for_again(ended: dict[str, Any], code: str) -> None:
    book = answered(tools=["end_call"]) >> response_created()
    book >> response_done(calls=(("end_call", "call_1"),)) << ...
    book >> response_created("resp_2") >> response_done("resp_2", **ended)
    book << reported(code) << asks(prompts.FAREWELL) << nothing
    assert book.call.ending is None


def test_a_greeting_that_came_as_text_is_spoken() -> None:
    book = answered(greeting="Good morning.") << ... >> response_created()
    book >> response_done(said=(("output_text", "Good morning to you."),))
    book << reported("text_only") << asks("Good morning to you.") << nothing


def test_a_greeting_that_broke_off_is_continued() -> None:
    book = half_said(answered(greeting="Your table is ready.") << ...)
    book >> response_done(status="incomplete", reason="max_output_tokens")
    book << reported("incomplete_max_output_tokens") << asks("Your table is") << nothing


def test_functions_of_an_incomplete_response_are_not_run() -> None:
    book = answered(tools=["end_call"]) >> response_created()
    book >> response_done(status="incomplete", calls=(("end_call", "call_1"),))
    book << reported("incomplete_other") << asks_for_an_answer << nothing


def test_an_empty_answer_is_asked_for_again_then_replaced_by_words_then_failed_over() -> None:
    book = answered() >> response_created() << nothing
    book >> response_done(said=()) << reported("no_sound") << asks_for_an_answer << nothing
    book >> response_created("resp_2") << nothing
    book >> response_done("resp_2", said=()) << reported("no_sound") << asks(prompts.NO_ANSWER)
    book << nothing >> response_created("resp_3") << nothing
    book >> response_done("resp_3", said=()) << reported("no_sound")
    book << ends(Ending.MODEL_SILENT) << nothing


def test_a_text_is_spoken() -> None:
    book = answered() >> response_created()
    book >> response_done(said=(("output_text", "We open at nine."),))
    book << reported("text_only") << asks("We open at nine.") << nothing


def test_an_answer_that_was_heard_owes_nothing() -> None:
    book = answered() >> response_created() >> audio_delta(ms=100) << ...
    book >> response_done(said=()) << nothing


def test_what_the_server_says_was_sound_owes_nothing_on_sip() -> None:
    book = attached() >> response_created() << ...
    book >> response_done(said=(("output_audio", ""),)) << ...
    assert "no_sound" not in str(book)


def test_what_is_being_played_owes_nothing_on_sip() -> None:
    book = attached() >> response_created() >> started() << ...
    book >> response_done(said=()) << nothing
    book >> stopped() >> response_created("resp_2") >> response_done("resp_2", said=()) << ...
    assert "no_sound" in str(book)


def test_an_empty_answer_on_sip_is_asked_for_again() -> None:
    book = attached() >> speech_started() >> speech_stopped() >> committed() << ...
    book >> response_created() << ...
    book >> response_done(said=()) << reported("no_sound") << asks_for_an_answer << nothing


def test_a_function_call_owes_no_sound() -> None:
    book = answered(tools=["take_message"]) >> response_created()
    book >> response_done(calls=(("take_message", "call_1"),)) << ...
    assert "no_sound" not in str(book)


def test_nothing_is_owed_to_a_caller_who_speaks_again() -> None:
    book = answered() >> response_created() >> speech_started() << ...
    book >> response_done(said=()) << reported("no_sound") << nothing


# --- A server that asks for time ---


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 3.2s. Visit ...", 3.2),
        ("Please try again in 450ms.", 0.45),
        ("Please try again in 1m2.5s.", 62.5),
        ("please TRY AGAIN IN 2m", 120.0),
        ("Please try again in 6h0m0s.", 21_600.0),
        ("Please try again later.", limits.model.RETRY_PAUSE_FIRST_S),
        (None, limits.model.RETRY_PAUSE_FIRST_S),
    ],
)
def test_the_pause_is_what_the_message_names(message: str | None, seconds: float) -> None:
    assert pause_s(ErrorBody(message=message), 0) == pytest.approx(seconds)


def test_without_a_named_wait_the_pause_doubles() -> None:
    assert pause_s(ErrorBody(), 1) == 2 * pause_s(ErrorBody(), 0)


def limited(book: Book, told: str, response_id: str = "resp_1") -> Book:
    book >> response_created(response_id) << ...
    book >> response_done(
        response_id, "failed", failure="rate_limit_exceeded", message=f"Please try again in {told}."
    )
    return book << reported("rate_limit_exceeded")


def test_it_is_asked_for_again_when_the_wait_is_over_and_not_before() -> None:
    book = limited(answered(), "3.2s")
    before = asked(book)
    book << ... >> wait(3.1) << ...
    assert asked(book) == before
    book >> wait(0.2) << ...
    assert asked(book) == before + 1


def asked(book: Book) -> int:
    return [event["type"] for event in book.said].count("response.create")


def test_the_caller_hears_the_hold_tone_meanwhile() -> None:
    book = limited(answered(), "3.2s")
    book << holds(200) >> wait(1.0) << ...
    book >> wait(2.3) << ... >> response_created("resp_2") << ...
    book >> audio_delta(ms=20, response_id="resp_2") << clears << ...


def test_a_wait_that_is_too_long_for_a_caller_goes_to_the_failover_chain_at_once() -> None:
    limited(answered(), "2m") << ends(Ending.MODEL_SILENT) << nothing


def test_retries_end_in_the_failover_chain() -> None:
    book = answered()
    for n in range(RETRIES):
        limited(book, "1s", f"resp_{n}") << ... >> wait(1.1) << ...
    limited(book, "1s", "resp_last") << ... << nothing
    assert book.call.ending is Ending.MODEL_SILENT
