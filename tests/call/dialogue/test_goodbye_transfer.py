"""The caller is handed over: after the last word, once, and back again if nobody takes the call."""

from __future__ import annotations

from json import dumps

import pytest
from call.play import (
    Book,
    answered,
    asks,
    asks_for_an_answer,
    clears,
    ends,
    exactly,
    last_mark,
    note,
    nothing,
    outputs,
    to_caller,
    truncates,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.call import events
from gateway.call.commands import OpenModel, TransferCaller
from gateway.call.context import WallClock
from gateway.call.dialogue.prompts import CONNECTING, NOT_TRANSFERRED, TRANSFER_FAILED, closed
from gateway.call.endings import Ending
from gateway.call.inputs import CallerLost, ModelLost, SpendLimitReached, TransferFailed
from gateway.call.state_machines import CallPhase
from gateway.protocols.realtime_server import ResponseDone

DESK = "+15550123"
CALLED = note(events.ToolCalled, name="transfer")
GOES = exactly(TransferCaller(DESK))
DONE, REFUSED = events.TransferAttempted("done"), events.TransferAttempted("refused")


def talking(**agent: object) -> Book:
    to = {"desk": {"to": DESK, "description": "The front desk."}}
    return answered(tools=["end_call", "transfer"], transfers=to, **agent)


def transfer(arguments: str = '{"target":"desk"}', response_id: str = "resp_1") -> ResponseDone:
    done = response_done(response_id, calls=(("transfer", "call_1"),))
    assert done.response.output
    done.response.output[0].arguments = arguments
    return done


def leaving(**agent: object) -> Book:
    """'I am connecting you': said, heard, and Twilio is asked."""
    book = talking(**agent) >> response_created() >> audio_delta(ms=200) << to_caller(200)
    book >> audio_done() >> transfer() << CALLED << nothing >> wait(0.2) << nothing
    return book >> last_mark << GOES << nothing


def test_the_caller_is_handed_over_when_the_last_word_is_heard() -> None:
    leaving() >> stop() << DONE << ends(Ending.TRANSFERRED) << nothing


def test_what_was_not_said_is_asked_for() -> None:
    book = talking() >> response_created() >> transfer() << CALLED << asks(CONNECTING) << nothing
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=200, response_id="resp_2") << to_caller(200)
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") << nothing
    book >> wait(0.2) >> last_mark << GOES << nothing


def test_the_caller_goes_on_speaking_and_stays() -> None:
    book = talking() >> response_created() >> audio_delta(ms=800) << to_caller(800) >> audio_done()
    book >> transfer() << CALLED >> wait(0.3) >> speech_started() << clears
    book << truncates("item_1", 300) << note(events.BargedIn)
    (
        book
        << outputs("call_1", NOT_TRANSFERRED)
        << events.TransferAttempted("caller_spoke")
        << nothing
    )
    assert book.call.phase is CallPhase.TALKING


def test_nobody_takes_the_caller() -> None:
    book = leaving() >> wait(3.0) << nothing >> TransferFailed("http_404") << REFUSED
    book << outputs("call_1", TRANSFER_FAILED) << asks_for_an_answer << nothing
    book >> response_created("resp_2") << nothing
    assert book.call.phase is CallPhase.TALKING


def test_nobody_says_what_came_of_it() -> None:
    book = leaving() >> wait(limits.call.TRANSFER_MAX_S - 0.1) << nothing >> wait(0.2)
    book << events.TransferAttempted("no_outcome") << outputs("call_1", TRANSFER_FAILED)
    book << asks_for_an_answer << nothing


@pytest.mark.parametrize("arguments", ["", "{}", "[", '{"target":"moon"}', '{"target":7}', "null"])
def test_a_target_that_is_none_is_told_what_there_is(arguments: str) -> None:
    book = talking() >> response_created() >> transfer(arguments) << CALLED
    book << outputs("call_1", "There is no such target. There are: desk.") << asks_for_an_answer
    book << nothing


def test_marks_that_stop_do_not_keep_the_caller() -> None:
    book = talking() >> response_created() >> audio_delta(ms=200) << ... >> audio_done()
    book >> transfer() << CALLED >> wait(limits.call.GOODBYE_MAX_S + 0.1) << GOES << nothing


def test_the_model_is_not_needed_any_more() -> None:
    book = leaving() >> ModelLost("closed_1000") << nothing
    book >> stop() << DONE << ends(Ending.TRANSFERRED) << nothing


def test_the_caller_comes_back_and_the_model_is_gone() -> None:
    book = leaving() >> ModelLost("closed_1000") << nothing >> TransferFailed("http_500")
    book << REFUSED << exactly(OpenModel(0.0)) << nothing >> session_created() << ...
    book >> session_updated(book.agent) << ...
    told = [e["item"] for e in book.said if e["type"] == "conversation.item.create"]
    assert told[-1]["output"] == TRANSFER_FAILED
    assert book.said[-1]["type"] == "response.create"


def test_the_caller_comes_back_after_the_longest_time() -> None:
    book = leaving(max_call_s=5.0) >> wait(6.0) << nothing >> TransferFailed("busy") << REFUSED
    book << outputs("call_1", TRANSFER_FAILED) << asks_for_an_answer << nothing
    book >> response_created("resp_2") >> response_done("resp_2") << asks("The call ends now")
    book << nothing


def test_a_failure_that_nobody_waits_for() -> None:
    talking() >> TransferFailed("late") << nothing
    leaving() >> TransferFailed("busy") << ... >> TransferFailed("again") << nothing


def test_a_stream_that_breaks_while_the_caller_is_handed_over() -> None:
    """Twilio says `stop` when it redirects; a break without it is a break."""
    leaving() >> CallerLost() << ends(Ending.MEDIA_BROKEN) << nothing


def test_a_transfer_that_the_caller_talked_over_does_not_happen() -> None:
    book = talking(barge_in={"min_speech_ms": 100}) >> response_created()
    book >> audio_delta(ms=900) << ... >> wait(0.2) << ... >> speech_started() >> wait(0.2) << ...
    book >> transfer() << CALLED << outputs("call_1", NOT_TRANSFERRED)
    book << events.TransferAttempted("caller_spoke") << nothing
    book >> speech_stopped(900) << nothing >> committed() << asks_for_an_answer << nothing


# --- Who there is, and how they are reached ---

PEOPLE = {
    "desk": {"to": DESK, "mode": "warm"},
    "support": {"queue": "support"},
    "shop": {"to": "+15550166", "hours": {"zone": "Europe/Paris", "mon-fri": "09:00-18:00"}},
}
MONDAY_S = 1_763_978_400.0
"""24 November 2025, 11:00 in Paris."""


def to(target: str, **more: str) -> ResponseDone:
    return transfer(dumps({"target": target} | more))


def people(**agent: object) -> Book:
    return answered(tools=["transfer"], transfers=PEOPLE, **agent)


def goes(book: Book, done: ResponseDone, way: TransferCaller) -> None:
    book >> response_created() >> audio_delta(ms=200) << to_caller(200) >> audio_done()
    book >> done << CALLED << nothing >> wait(0.2) >> last_mark << exactly(way) << nothing


def test_warmly_with_what_the_model_says_about_the_caller() -> None:
    way = TransferCaller(DESK, "warm", "They ask for Anna.")
    goes(people(), to("desk", summary="  They ask for Anna. "), way)


def test_what_is_redacted_no_person_hears_either() -> None:
    way = TransferCaller(DESK, "warm", "Card [card], [email].")
    told = "Card 4111 1111 1111 1111, jo@example.com."
    goes(people(redact=["cards", "emails"]), to("desk", summary=told), way)


def test_warmly_though_the_model_says_nothing_about_the_caller() -> None:
    goes(people(), to("desk"), TransferCaller(DESK, "warm"))


def test_a_summary_without_end_is_cut() -> None:
    way = TransferCaller(DESK, "warm", "x" * limits.call.SUMMARY_MAX_CHARS)
    goes(people(), to("desk", summary="x" * 100_000), way)


def test_into_a_queue() -> None:
    goes(people(), to("support", summary="for nobody"), TransferCaller("support", "queue"))


def test_to_the_fallbacks_queue_when_the_money_is_gone() -> None:
    book = answered(fallback={"queue": "support"}) >> SpendLimitReached(1.0) << asks(CONNECTING)
    book >> response_created() >> audio_delta(ms=200) << ... >> audio_done() >> response_done()
    book << ... >> wait(0.3) << ... >> last_mark
    assert TransferCaller("support", "queue") in book.outs()


@pytest.mark.parametrize(("after_s", "is_open"), [(0, True), (7 * 3600, False)])
def test_whoever_is_closed_is_not_called(after_s: float, is_open: bool) -> None:
    book = people()
    book.call.ctx.wall_clock = WallClock(MONDAY_S + after_s - book.now)
    if is_open:
        return goes(book, to("shop"), TransferCaller("+15550166"))
    book >> response_created() >> to("shop") << CALLED
    told = closed("shop", "closed until tomorrow, Tuesday 09:00 (Europe/Paris)")
    book << outputs("call_1", told) << asks_for_an_answer << nothing
    assert book.call.phase is CallPhase.TALKING
    return None


def test_a_transfer_that_was_lost_with_its_stream_is_known_to_whoever_takes_up() -> None:
    state = leaving().call.snapshot()
    again = Book(tools=["end_call", "transfer"], transfers={"desk": {"to": DESK}})
    again.call.resume(state)
    (output,) = [item for item in again.call.history.items if item.kind == "output"]
    assert (output.call_id, output.text) == ("call_1", TRANSFER_FAILED)
