"""One response at a time: asked for, refused, lost, failed, and asked for again."""

from __future__ import annotations

from typing import Any

from call.play import (
    Book,
    all_marks,
    answered,
    asks,
    asks_for_an_answer,
    cancels,
    ends,
    last_mark,
    note,
    nothing,
    outputs,
    to_caller,
    wait,
)
from call.vendor_events import (
    already_active,
    audio_delta,
    audio_done,
    committed,
    error,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.inputs import ModelLost
from gateway.call.timers import Timer

HELLO = "Good morning."
TOOL = (("weather", "call_1"),)
THE_REFUSAL = note(events.ModelErrorReported, fault="benign")


def greeting() -> Book:
    """The greeting is asked for, and nothing has come yet."""
    return answered(greeting=HELLO)


def last_event_id(book: Book) -> str:
    return str([e for e in book.said if e["type"] == "response.create"][-1]["event_id"])


def test_a_response_of_the_servers_comes_between() -> None:
    """Ours is refused, waits for the end of the other, and is asked for again."""
    (
        greeting()
        >> response_created("resp_theirs")
        << nothing
        >> already_active()
        << THE_REFUSAL
        << nothing
        >> response_done("resp_theirs")
        << asks(HELLO)
        << nothing
        >> response_created("resp_ours")
        >> response_done("resp_ours")
        << nothing
    )


def test_a_refusal_for_a_response_whose_beginning_was_not_seen() -> None:
    (
        greeting()
        >> already_active()
        << THE_REFUSAL
        << nothing
        >> response_done("resp_theirs")
        << asks(HELLO)
        << nothing
    )


def test_a_refusal_after_the_other_had_ended_already() -> None:
    """The refusal names no response; its end was heard before. Ours does not wait for ever."""
    book = greeting() >> response_created("resp_theirs") >> response_done("resp_theirs") << nothing
    book >> already_active() << THE_REFUSAL << nothing
    book >> wait(limits.model.RESPONSE_START_MAX_S * 3) << ...
    assert book.call.phase == "talking"


def test_a_refusal_of_nothing_of_ours_is_no_harm() -> None:
    answered() >> already_active() << THE_REFUSAL << nothing >> wait(1.0) << nothing


def test_a_create_that_is_refused_by_its_id_is_asked_for_again() -> None:
    book = greeting()
    (
        book
        >> error("server_error", about=last_event_id(book))
        << note(events.ModelErrorReported, fault="recoverable")
        << nothing
        >> wait(limits.model.RETRY_PAUSE_FIRST_S)
        << asks(HELLO)
        << nothing
    )


def test_a_create_that_is_lost_is_asked_for_again_and_given_up_in_the_end() -> None:
    book = greeting()
    for _ in range(limits.model.RESPONSE_RETRIES_MAX):
        book >> wait(limits.model.RESPONSE_START_MAX_S - 0.1) << nothing
        book >> wait(0.2) << asks(HELLO) << nothing
    book >> wait(limits.model.RESPONSE_START_MAX_S) << ends(Ending.MODEL_SILENT) << nothing


def test_what_begins_late_is_not_asked_for_twice() -> None:
    book = greeting() >> wait(limits.model.RESPONSE_START_MAX_S - 0.1) >> response_created()
    book >> wait(limits.model.RESPONSE_START_MAX_S) << nothing


def test_the_caller_speaks_while_a_create_is_lost() -> None:
    """The caller's voice must not stop the clock of a request: nothing else would ask again."""
    book = answered(greeting=HELLO, barge_in={"protect_greeting_ms": 1})
    (
        book
        >> wait(1.0)
        >> speech_started(1000)
        >> wait(0.0)
        << nothing
        >> speech_stopped(1500)
        >> committed()
        << nothing
        >> wait(limits.model.RESPONSE_START_MAX_S)
        << ...
    )
    assert [e["type"] for e in book.said].count("response.create") == 2


def test_retries_are_counted_anew_once_the_model_speaks() -> None:
    book = greeting()
    for n in range(limits.model.RESPONSE_RETRIES_MAX + 2):
        (
            book
            >> wait(limits.model.RESPONSE_START_MAX_S + 0.1)
            << ...
            >> response_created(f"resp_{n}")
        )
        book >> audio_delta(f"item_{n}", ms=20, response_id=f"resp_{n}") << to_caller(20)
        book >> audio_done(f"item_{n}", f"resp_{n}") >> response_done(f"resp_{n}") << nothing
        book >> wait(0.02) >> last_mark << ...
        book >> speech_started() >> speech_stopped() >> committed() << nothing


def test_a_response_that_failed_is_asked_for_again_in_the_same_words() -> None:
    """A greeting that met a rate limit is still a greeting."""
    book = greeting() >> response_created() << nothing
    (
        book
        >> response_done(status="failed", failure="rate_limit_exceeded")
        << note(events.ModelErrorReported, fault="recoverable", code="rate_limit_exceeded")
        << nothing
        >> wait(limits.model.RETRY_PAUSE_FIRST_S)
        << asks(HELLO)
        << nothing
    )


def test_the_servers_own_response_failed() -> None:
    (
        answered()
        >> response_created()
        >> response_done(status="failed", failure="server_error")
        << note(events.ModelErrorReported, fault="recoverable")
        << nothing
        >> wait(limits.model.RETRY_PAUSE_FIRST_S)
        << asks_for_an_answer
        << nothing
    )


def test_responses_that_fail_again_and_again_end_the_call() -> None:
    book = answered()
    failed = note(events.ModelErrorReported, fault="unknown", code="other")
    for n in range(limits.model.RESPONSE_RETRIES_MAX):
        book >> response_created(f"resp_{n}") << nothing
        book >> response_done(f"resp_{n}", "failed") << failed << asks_for_an_answer << nothing
    book >> response_created("resp_last") << nothing
    book >> response_done("resp_last", "failed") << failed << ends(Ending.MODEL_SILENT) << nothing


def test_a_failure_that_the_next_would_share_ends_the_call_at_once() -> None:
    (
        answered()
        >> response_created()
        >> response_done(status="failed", failure="insufficient_quota")
        << note(events.ModelErrorReported, fault="fatal")
        << ends(Ending.MODEL_REFUSED, "insufficient_quota")
        << nothing
    )


def test_a_response_that_never_ends_is_given_up() -> None:
    """The server fell silent in the middle: the caller hears nothing, and nobody else would act."""
    book = answered() >> response_created() >> audio_delta(ms=400) << to_caller(400)
    book >> wait(limits.model.RESPONSE_STALL_MAX_S - 0.1) << nothing
    book >> wait(0.2) << asks_for_an_answer << nothing


LOST_END = note(events.ModelErrorReported, code="response_without_end")


def heard_without_its_end(**agent: Any) -> Book:
    """An answer of 400 ms; its `response.done` is lost, and the server goes on saying things."""
    book = answered(**agent) >> response_created() >> audio_delta(ms=400) << to_caller(400)
    return book >> audio_done() >> wait(0.4) >> all_marks << ...


def test_the_end_of_an_answer_that_was_heard_is_not_waited_for_long() -> None:
    book = heard_without_its_end(idle={"nudge_after_s": 10.0, "end_after_s": 30.0})
    book >> wait(limits.model.RESPONSE_OVER_MAX_S - 0.01) << nothing
    book >> wait(0.02) << LOST_END << nothing  # and what was heard is not asked for again
    book >> wait(9.9) << nothing >> wait(0.2) << asks("silent for a while")


def test_a_turn_is_answered_soon_though_the_end_before_it_was_lost() -> None:
    """Where turns are ours nothing is asked for while a response runs."""
    book = heard_without_its_end(barge_in={"min_speech_ms": 300})
    book >> speech_started(600) >> wait(0.5) << cancels("resp_1")
    book >> speech_stopped(1100) >> committed() << nothing
    book >> wait(limits.model.RESPONSE_OVER_MAX_S) << LOST_END << asks_for_an_answer << nothing


def test_an_end_that_comes_late_still_counts() -> None:
    """The model thought about its call for longer than it spoke before."""
    book = heard_without_its_end() >> wait(limits.model.RESPONSE_OVER_MAX_S) << LOST_END
    book >> response_done(calls=(("stock", "call_1"),)) << note(events.ToolCalled) << ...
    book >> wait(0.1) << ...
    assert "call_1" in str(book.said[-2])


def test_an_answer_of_two_items_is_waited_for_from_its_last() -> None:
    book = answered() >> response_created() >> audio_delta(ms=400) << ... >> audio_done() << ...
    book >> wait(2.0) << ... >> audio_delta("item_2", ms=400) << ...
    book >> wait(limits.model.RESPONSE_OVER_MAX_S + 3) << nothing
    book >> audio_done("item_2") >> response_done() << nothing


def test_a_response_that_goes_on_sounding_is_not_given_up() -> None:
    book = answered() >> response_created()
    for _ in range(5):
        book >> audio_delta(ms=400) << ... >> wait(limits.model.RESPONSE_STALL_MAX_S - 1) << ...
    book >> response_done() >> wait(limits.model.RESPONSE_STALL_MAX_S) << ...
    assert "response.create" not in [
        e["type"] for e in book.said if "silent" not in str(e) and "is still" not in str(e)
    ]


def test_sound_after_the_end_of_its_response_is_played_and_waited_for_no_longer() -> None:
    book = answered() >> response_created() >> response_done() >> audio_delta(ms=200) << ...
    book >> audio_done() >> wait(0.3) >> last_mark << ... >> wait(14.5) << nothing
    book >> wait(0.6) << asks("silent for a while")


def test_the_servers_vad_heard_a_turn_and_made_no_response() -> None:
    book = answered() >> speech_started() >> speech_stopped(500) >> committed() << nothing
    (
        book
        >> wait(limits.model.RESPONSE_START_MAX_S - 0.1)
        << nothing
        >> wait(0.2)
        << asks_for_an_answer
    )
    book << nothing


def test_a_turn_whose_end_could_not_be_read_ends_with_its_commit() -> None:
    """Else the caller would be speaking for ever, and every answer cancelled."""
    book = answered() >> response_created() >> audio_delta(ms=900) << ... >> wait(0.1)
    book >> speech_started() << ... >> response_done(status="cancelled") << nothing
    book >> committed() << nothing >> response_created("resp_2") << nothing
    book >> audio_delta("item_2", ms=100, response_id="resp_2") << to_caller(100)


def test_a_turn_that_goes_on_is_waited_for_from_its_end() -> None:
    book = answered() >> speech_started() >> speech_stopped(500) >> committed() << nothing
    book >> wait(limits.model.RESPONSE_START_MAX_S - 1) >> speech_started() >> wait(5.0) << nothing
    (
        book
        >> speech_stopped(9000)
        >> committed()
        >> wait(limits.model.RESPONSE_START_MAX_S - 1)
        << nothing
    )


def test_an_output_that_waited_for_the_turn_is_answered_with_it() -> None:
    """The server answers the turn with the output in its context: one answer, not two."""
    (
        answered()
        >> response_created()
        >> speech_started()
        >> response_done(calls=TOOL)
        << note(events.ToolCalled, name="unknown")
        << outputs("call_1", prompts.NO_SUCH_TOOL)
        << nothing
        >> speech_stopped(900)
        << nothing
        >> committed()
        << nothing
        >> response_created("resp_2")
        >> response_done("resp_2")
        << nothing
    )


def test_an_unknown_tool_is_answered_and_the_model_goes_on() -> None:
    (
        answered()
        >> response_created()
        >> response_done(calls=TOOL, tokens=7)
        << note(events.UsageCounted, model="gpt-realtime-2.1")
        << note(events.ToolCalled, name="unknown")
        << outputs("call_1", prompts.NO_SUCH_TOOL)
        << asks_for_an_answer
        << nothing
    )


def test_outputs_first_then_one_create() -> None:
    (
        answered()
        >> response_created()
        >> response_done(calls=(("a", "call_1"), ("b", "call_2")))
        << note(events.ToolCalled)
        << note(events.ToolCalled)
        << outputs("call_1", prompts.NO_SUCH_TOOL)
        << outputs("call_2", prompts.NO_SUCH_TOOL)
        << asks_for_an_answer
        << nothing
    )


def test_calls_of_a_cancelled_response_are_not_run() -> None:
    answered() >> response_created() >> response_done(status="cancelled", calls=TOOL) << nothing


def test_a_stale_end_changes_nothing() -> None:
    book = greeting() >> response_created("resp_1") >> response_done("resp_0") << nothing
    assert book.call.ctx.responses.active_id == "resp_1"


def test_the_hold_ends_when_the_servers_answer_did_not_come() -> None:
    book = answered() >> speech_started() >> speech_stopped(500) >> committed() << nothing
    book >> wait(limits.model.RESPONSE_START_MAX_S + 0.1) << asks_for_an_answer << nothing
    assert not book.call.ctx.responses.deferred


def test_cancels_are_only_for_turns_that_are_ours() -> None:
    book = answered() >> response_created() >> audio_delta(ms=400) << ... >> wait(0.1)
    book >> speech_started() << ...
    assert "response.cancel" not in [event["type"] for event in book.said]
    mine = answered(barge_in={"min_speech_ms": 1}) >> response_created() >> audio_delta(ms=400)
    mine << ... >> speech_started() >> wait(0.1) << cancels("resp_1") << ...


def test_a_pause_ends_with_its_session() -> None:
    """Another one is asked at once, and nothing is left to wake up for."""
    book = answered() >> response_created() << nothing
    failed = {"failure": "rate_limit_exceeded", "message": "Please try again in 3s."}
    book >> response_done("resp_1", "failed", **failed) << ...
    assert Timer.RETRY in book.call.ctx.timers
    book >> ModelLost("closed_1006") << ...
    assert Timer.RETRY not in book.call.ctx.timers
    book >> session_created() << ... >> session_updated(book.agent)
    book << note(events.ModelReconnected) << ...
    assert book.said[-1]["type"] == "response.create"
