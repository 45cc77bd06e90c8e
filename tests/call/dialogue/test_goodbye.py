"""A call comes to its end: the last word is heard, and then, and only then, the line goes dead."""

from __future__ import annotations

from typing import Any

from call.play import (
    BEGAN_AT,
    Book,
    Expected,
    all_marks,
    answered,
    asks,
    asks_for_an_answer,
    cancels,
    clears,
    deletes,
    ends,
    exactly,
    first_mark,
    last_mark,
    note,
    nothing,
    outputs,
    over,
    tells_the_model,
    to_caller,
    truncates,
    wait,
)
from call.vendor_events import (
    already_active,
    audio_delta,
    audio_done,
    committed,
    key,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.agents.config.tool_options import FunctionTool, HttpCall
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue.prompts import FAREWELL, NOT_ENDED
from gateway.call.endings import Ending
from gateway.call.inputs import ModelLost
from gateway.call.state_machines import CallPhase

END_CALL = (("end_call", "call_1"),)
CALLED = note(events.ToolCalled, name="end_call")
FIRST = note(events.FirstAudioSent)
PATIENT = {"nudge_after_s": 599.0, "end_after_s": 600.0}


def goodbye(ms: int = 600, **agent: object) -> Book:
    """The model said goodbye in `ms` and called end_call, in one answer."""
    book = answered(**agent) >> response_created() >> audio_delta(ms=ms) << ...
    return book >> audio_done() << nothing >> response_done(calls=END_CALL) << CALLED << nothing


def test_a_goodbye_is_heard_to_its_last_mark() -> None:
    (
        goodbye()
        >> wait(0.3)
        >> first_mark
        << FIRST
        >> first_mark
        >> first_mark
        << nothing
        >> wait(0.3)  # by the clock all is heard; the mark has not come
        << nothing
        >> last_mark
        << ends(Ending.AGENT_HUNG_UP)
        << nothing
    )


def test_a_goodbye_that_was_not_said_is_asked_for() -> None:
    (
        answered()
        >> response_created()
        >> response_done(calls=END_CALL)
        << CALLED
        << asks(FAREWELL)
        << nothing
        >> response_created("resp_2")
        >> audio_delta("item_2", ms=400, response_id="resp_2")
        << to_caller(400)
        >> audio_done("item_2", "resp_2")
        << nothing
        >> response_done("resp_2")
        << nothing
        >> wait(0.4)
        >> last_mark
        << ends(Ending.AGENT_HUNG_UP)
        << nothing
    )


def test_what_was_said_in_an_earlier_turn_is_no_goodbye() -> None:
    book = answered() >> response_created() >> audio_delta(ms=200) << ... >> audio_done()
    book >> response_done() >> wait(0.3) >> all_marks << ...
    book >> speech_started() >> speech_stopped(900) >> committed() << nothing
    book >> response_created("resp_2") >> response_done("resp_2", calls=END_CALL)
    book << CALLED << asks(FAREWELL) << nothing


def test_a_farewell_without_a_sound_does_not_keep_the_line_open() -> None:
    book = answered() >> response_created() >> response_done(calls=END_CALL) << ...
    book >> response_created("resp_2") << nothing
    book >> response_done("resp_2") << ends(Ending.AGENT_HUNG_UP) << nothing


def test_a_farewell_that_fails_is_asked_for_again_and_then_done_without() -> None:
    """The agent wanted to hang up: the call does not end as a failure for lack of a last word."""
    book = answered() >> response_created() >> response_done(calls=END_CALL) << ...
    failed = note(events.ModelErrorReported)
    for n in range(limits.model.RESPONSE_RETRIES_MAX):
        book >> response_created(f"bye_{n}") << nothing
        book >> response_done(f"bye_{n}", "failed") << failed << asks(FAREWELL) << nothing
    book >> response_created("bye") << nothing
    book >> response_done("bye", "failed") << failed << ends(Ending.AGENT_HUNG_UP, "unheard")


def test_marks_that_stop_do_not_keep_the_line_open() -> None:
    book = (
        goodbye()
        >> wait(0.1)
        >> first_mark
        << FIRST
        >> wait(limits.call.GOODBYE_MAX_S - 0.1)
        << nothing
    )
    book >> wait(0.2) << ends(Ending.AGENT_HUNG_UP, "unheard") << nothing


def test_a_long_goodbye_is_heard_as_long_as_its_marks_come() -> None:
    book = answered() >> response_created() >> audio_delta(ms=40_000) << ...
    book.heard_marks = True
    book >> audio_done() >> response_done(calls=END_CALL) << CALLED >> wait(39.9) << ...
    assert book.call.ending is None
    book >> wait(0.2) << ends(Ending.AGENT_HUNG_UP) << nothing
    assert book.umpire.sent_ms == 40_000


def test_the_caller_speaks_into_the_goodbye_and_the_call_goes_on() -> None:
    (
        goodbye(idle=PATIENT)
        >> wait(0.2)
        >> speech_started()
        << clears
        << truncates("item_1", 200)
        << note(events.BargedIn)
        << outputs("call_1", NOT_ENDED)
        << nothing
        >> all_marks
        << nothing
        >> speech_stopped(900)
        >> committed()
        << nothing
        >> response_created("resp_2")
        >> audio_delta("item_2", ms=200, response_id="resp_2")
        << to_caller(200)
        >> audio_done("item_2", "resp_2")
        >> response_done("resp_2")
        >> wait(limits.call.GOODBYE_MAX_S + 1)
        << nothing
    )


def test_the_caller_speaks_between_the_last_sound_and_its_mark() -> None:
    """By our clock all was heard; the caller hears it later, and has something to add."""
    book = goodbye() >> wait(0.65) << nothing
    book >> speech_started() << outputs("call_1", NOT_ENDED) << nothing
    book >> last_mark << nothing >> speech_stopped(900) << nothing
    assert book.call.phase == "talking"


def test_an_agent_that_may_not_be_interrupted_says_goodbye_to_the_end_and_stays() -> None:
    vad = {"type": "server_vad", "interrupt_response": False}
    book = goodbye(turn_detection=vad) >> wait(0.2) >> speech_started()
    book << outputs("call_1", NOT_ENDED) << nothing >> wait(0.4) >> all_marks << FIRST << nothing
    book >> speech_stopped(900) << nothing
    assert book.call.phase == "talking"


def test_a_short_word_that_outlasts_the_goodbye_is_something_to_add() -> None:
    book = goodbye(400, barge_in={"min_speech_ms": 300}) >> wait(0.3) >> speech_started()
    book >> wait(0.2) << nothing >> speech_stopped(500) << outputs("call_1", NOT_ENDED) << nothing
    book >> committed() << asks_for_an_answer << nothing


def test_an_uh_huh_into_the_goodbye_does_not_keep_the_call() -> None:
    book = goodbye(900, barge_in={"min_speech_ms": 300}) >> wait(0.3) >> speech_started()
    book >> wait(0.2) >> speech_stopped(500) << events.BargeInIgnored("short") >> committed()
    book << deletes("turn_1") >> wait(0.4) >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


def test_the_caller_speaks_before_the_farewell_has_begun() -> None:
    book = answered() >> response_created() >> response_done(calls=END_CALL) << CALLED
    book << asks(FAREWELL) >> speech_started() << outputs("call_1", NOT_ENDED) << nothing
    book >> response_created("resp_2") << cancels("resp_2") << nothing
    book >> response_done("resp_2", "cancelled") << nothing
    book >> speech_stopped(900) << nothing
    assert book.call.phase == "talking"


def test_the_farewell_waits_for_the_servers_own_response_and_is_still_said() -> None:
    book = answered() >> response_created() >> response_done(calls=END_CALL) << CALLED
    book << asks(FAREWELL) >> response_created("resp_2") >> already_active() << ...
    book >> response_done("resp_2") << asks(FAREWELL) << nothing


def test_a_farewell_that_still_waits_is_not_said_to_one_who_stays() -> None:
    book = answered() >> response_created() >> response_done(calls=END_CALL) << CALLED
    book << asks(FAREWELL) >> response_created("resp_2") >> already_active() << ...
    book >> speech_started() << outputs("call_1", NOT_ENDED) << nothing
    book >> response_done("resp_2", "cancelled") >> speech_stopped(900) << nothing
    book >> response_created("resp_3") >> response_done("resp_3") << nothing


def test_nobody_is_nudged_into_the_goodbye() -> None:
    book = longest(idle={"nudge_after_s": 5.5, "end_after_s": 60.0}) >> wait(5.01) << asks(FAREWELL)
    book >> response_created() >> audio_delta(ms=200) << to_caller(200) >> wait(1.0) << nothing
    book >> audio_done() >> response_done() << nothing >> last_mark << ends(Ending.MAX_LENGTH)


def test_an_end_call_that_the_caller_talked_over_does_not_end_the_call() -> None:
    """The response was complete before our cancel reached the server."""
    book = answered(barge_in={"min_speech_ms": 100}) >> response_created()
    book >> audio_delta(ms=2000) << ... >> wait(0.5) << ... >> speech_started()
    book >> wait(0.1) << cancels("resp_1") << clears << truncates("item_1", 600) << ...
    book >> response_done(calls=END_CALL) << CALLED << outputs("call_1", NOT_ENDED) << nothing
    book >> speech_stopped(2000) << nothing >> committed() << asks_for_an_answer << nothing
    assert book.call.phase == "talking"


def test_hanging_up_in_the_goodbye_is_the_callers() -> None:
    goodbye() >> stop() << ends(Ending.CALLER_HUNG_UP) << nothing


def test_the_model_is_told_a_minute_before_the_longest_time() -> None:
    book = answered(frame_ms=1000, max_call_s=130.0, idle=PATIENT)
    book >> wait(130 - limits.call.WARN_BEFORE_END_S - 0.1) << nothing
    book >> wait(0.2) << tells_the_model("The call ends in one minute") << nothing
    book >> wait(limits.call.WARN_BEFORE_END_S) << asks(FAREWELL) << nothing
    book >> response_created() >> audio_delta(ms=200) << to_caller(200) >> audio_done()
    book >> response_done() >> wait(0.2) >> last_mark << ends(Ending.MAX_LENGTH) << nothing


def test_a_short_call_has_no_minute_to_be_told_of() -> None:
    book = answered(frame_ms=1000, max_call_s=100.0, idle=PATIENT)
    book >> wait(99.9) << nothing >> wait(0.2) << asks(FAREWELL) << nothing


def longest(**agent: object) -> Book:
    return answered(max_call_s=5.0, **agent)


def test_the_longest_time_is_up_whoever_speaks() -> None:
    """The caller is cut into silence, says something, and the call ends."""
    book = longest() >> wait(5.01) << asks(FAREWELL) >> response_created()
    book >> audio_delta(ms=800) << ... >> wait(0.2) << nothing
    book >> speech_started() << clears << truncates("item_1", 200) << note(events.BargedIn)
    book << nothing >> response_done(status="cancelled") << nothing >> speech_stopped(900)
    book << ends(Ending.MAX_LENGTH) << nothing


def test_the_caller_speaks_and_never_stops_at_the_longest_time() -> None:
    book = longest() >> wait(4.0) >> speech_started() >> wait(1.1) << nothing
    book >> wait(limits.call.GOODBYE_MAX_S) << ends(Ending.MAX_LENGTH, "unheard") << nothing


def test_the_caller_stops_in_time_for_the_farewell() -> None:
    """The server answers the turn; the farewell follows."""
    book = longest() >> wait(4.0) >> speech_started() >> wait(2.0) >> speech_stopped(6000)
    book >> committed() << nothing >> response_created() >> response_done() << asks(FAREWELL)


def test_the_longest_time_ends_within_a_goodbye() -> None:
    """The agent was about to hang up; the caller speaks, after time: the call still ends."""
    book = longest() >> wait(4.6) >> response_created() >> audio_delta(ms=900) << to_caller(900)
    book >> audio_done() >> response_done(calls=END_CALL) << CALLED >> wait(0.6) << nothing
    book >> speech_started() << clears << ... >> all_marks << nothing
    book >> speech_stopped(5400) << ends(Ending.AGENT_HUNG_UP) << nothing


def test_whoever_interrupts_all_the_time_does_not_outlast_the_limit() -> None:
    """A television, say: each of its turns is answered, and each answer cut."""
    book = answered(max_call_s=60.0, idle=PATIENT)
    book.heard_marks = True
    (
        book
        >> wait(59)
        << ...
        >> response_created("resp_0")
        >> audio_delta("item_0", ms=8000, response_id="resp_0")
        << ...
    )
    for n in range(1, 40):
        at = 59_000 + 3_000 * n
        book >> wait(2) << ... >> speech_started(at - 1000, f"turn_{n}") << ...
        book >> response_done(f"resp_{n - 1}", "cancelled") << ... >> wait(1) << ...
        book >> speech_stopped(at, f"turn_{n}") >> committed(f"turn_{n}") << ...
        if over(book):
            break
        book >> response_created(f"resp_{n}") << ...
        book >> audio_delta(f"item_{n}", ms=8000, response_id=f"resp_{n}") << ...
    assert book.now - BEGAN_AT < 60 + limits.call.ENDING_MAX_S + 3
    assert book.call.ending is Ending.MAX_LENGTH


def test_the_caller_cannot_stay_when_nobody_is_left_to_answer() -> None:
    book = answered(keypad={}) >> response_created() >> audio_delta(ms=3000) << ...
    book >> audio_done() >> response_done(calls=END_CALL) << ...
    book >> ModelLost("closed_1006") << ... >> key("1") << ...
    book.heard_marks = True
    book >> wait(4) << ...
    assert book.call.ending is Ending.AGENT_HUNG_UP


# --- Functions that still run ---


def runs(name: str, call_id: str) -> Expected:
    return exactly(do.RunTool(call_id, name, "{}"))


def booking(**agent: Any) -> Book:
    """The model said goodbye, and called `book` and end_call beside each other."""
    schema = {"type": "object", "properties": {}}
    http = HttpCall(method="POST", url="https://api.example.com/")
    function = FunctionTool(description="Books.", parameters=schema, http=http)
    book = answered(tools=["book", "end_call"], functions={"book": function}, **agent)
    book.heard_marks = True
    book >> response_created() >> audio_delta(ms=600) << ... >> audio_done() << nothing
    book >> response_done(calls=(("book", "call_1"), ("end_call", "call_2")))
    return book << CALLED_BOOK << runs("book", "call_1") << CALLED << nothing


CALLED_BOOK = note(events.ToolCalled, name="book")
BOOKED = inputs.ToolFinished("call_1", "booked", "ok")


def test_a_function_that_was_begun_is_waited_for_and_its_outcome_told() -> None:
    book = booking() >> wait(4.0) << FIRST << nothing >> BOOKED
    book << note(events.ToolCompleted, name="book", outcome="ok", seconds=4.0)
    book << outputs("call_1", "booked") << asks_for_an_answer << nothing
    book >> response_created("resp_2") << nothing
    book >> audio_delta("item_2", ms=200, response_id="resp_2") << to_caller(200)
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") << nothing
    book >> wait(0.3) << ends(Ending.AGENT_HUNG_UP) << nothing


def test_a_function_that_takes_too_long_finishes_beside_the_call() -> None:
    longest_s = 0.6 + limits.call.WORK_AFTER_GOODBYE_MAX_S
    book = booking() >> wait(longest_s - 0.1) << FIRST << nothing >> wait(0.2)
    book << exactly(do.DetachTool("call_1")) << ends(Ending.AGENT_HUNG_UP, "work_unfinished")
    book << nothing


def test_telling_of_one_function_does_not_lengthen_the_wait_for_the_next() -> None:
    book = booking() >> wait(9.0) << FIRST << nothing >> BOOKED << ...
    book >> response_created("resp_2") >> audio_delta("item_2", ms=200, response_id="resp_2")
    book << ... >> audio_done("item_2", "resp_2") << nothing
    book >> response_done("resp_2", calls=(("book", "call_3"),))
    book << CALLED_BOOK << runs("book", "call_3") << nothing
    book >> wait(1.4) << nothing >> wait(0.4)
    book << exactly(do.DetachTool("call_3")) << ends(Ending.AGENT_HUNG_UP, "work_unfinished")


def test_a_caller_who_speaks_while_a_function_is_waited_for_is_heard() -> None:
    book = booking(idle=PATIENT) >> wait(2.0) << FIRST >> speech_started(2000)
    book << outputs("call_2", NOT_ENDED) << nothing
    book >> speech_stopped(2500) >> committed() << nothing >> response_created("resp_2") << nothing
    book >> wait(11) << nothing
    assert book.call.phase is CallPhase.TALKING
    book >> BOOKED << ... >> response_done("resp_2") << ...


def test_the_longest_time_of_a_call_waits_for_functions_too() -> None:
    """And a transfer when all money is spent: the same wait for every goodbye."""
    for event, leaves in (
        (inputs.SpendLimitReached(1.0), ends(Ending.SPEND_LIMIT)),
        (inputs.TransferRequested(do.TransferCaller("+15550124")), None),
    ):
        book = running_alone() >> event << ...
        book >> response_created("resp_2") << nothing >> response_done("resp_2") << nothing
        book >> wait(3.0) << nothing >> BOOKED << note(events.ToolCompleted)
        book << outputs("call_1", "booked") << asks_for_an_answer << nothing
        book >> response_created("resp_3") << nothing >> response_done("resp_3")
        book << (leaves or exactly(do.TransferCaller("+15550124"))) << ...


def running_alone() -> Book:
    schema = {"type": "object", "properties": {}}
    http = HttpCall(method="POST", url="https://api.example.com/")
    function = FunctionTool(description="Books.", parameters=schema, http=http)
    book = answered(tools=["book"], functions={"book": function}) >> response_created()
    book >> response_done(calls=(("book", "call_1"),)) << CALLED_BOOK << runs("book", "call_1")
    return book
