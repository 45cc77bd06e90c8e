"""A change of sessions in the middle of a turn: the turn is answered, whatever the server does."""

from __future__ import annotations

from call import hosted_events
from call.dialogue.test_call_decision import decide, other
from call.play import Book, answered, asks_for_an_answer, nothing, wait
from call.session.test_reconnect import GONE, back, rolling
from call.vendor_events import (
    already_active,
    audio_delta,
    audio_done,
    caller_said,
    committed,
    error,
    model_says,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
)

from gateway import limits
from gateway.agents.config.models import DEFAULT_MODEL
from gateway.call import commands as do
from gateway.call import events
from gateway.call.inputs import NextSessionEvent
from gateway.call.timers import Timer
from gateway.limits.patience import CALL_PATIENCE


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


def test_another_models_connection_has_its_own_time_to_come() -> None:
    book = Book()
    book >> session_created() << ... >> session_updated(book.agent) << ... >> wait(1.0) << ...
    decide(book, other(model="gpt-realtime-2.1-mini")) << ... >> start() << ...
    book >> wait(CALL_PATIENCE.session_max_s - 0.1) << ...
    assert book.call.link == "connecting"
    book >> wait(0.2)
    assert any(isinstance(out, do.OpenModel) for out in book.outs()), "it is tried once more"


def test_a_turn_of_which_the_answer_was_heard_is_not_said_again() -> None:
    """Its words are not known yet; the answer broke off, and goes on."""
    book = answered() >> wait(2.0) << ... >> speech_started(1000) << ... >> wait(1.0) << ...
    book >> speech_stopped(2800) << ... >> committed() << ... >> response_created() << ...
    (
        book
        >> audio_delta(ms=400)
        << ...
        >> model_says("item_1", "Our hours are")
        << ...
        >> GONE
        << ...
    )
    before = book.appended_ms
    back(book) << ...
    assert book.appended_ms - before < 1000
    assert "Go on from precisely there" in str(book.said[-1])
    book >> response_created("resp_2") << ... >> response_done("resp_2") << ...
    count = asked(book)
    book >> wait(limits.model.RESPONSE_START_MAX_S + 0.1) << ...
    assert asked(book) == count


def test_after_a_loss_a_server_that_thinks_has_its_whole_time() -> None:
    """What the caller heard of the answer before says nothing of the next one."""
    book = answered() >> response_created() << ... >> audio_delta(ms=400) << ... >> GONE << ...
    back(book) << ... >> response_created("resp_2") << ...
    book.lively = False
    book >> wait(limits.model.SERVER_THINKS_MAX_S - 0.1) << ...
    assert book.call.link == "ready"
    book >> wait(0.2)
    assert any(isinstance(out, events.ModelDisconnected) for out in book.outs())


def test_without_a_model_nobody_is_warned_of_the_end_and_no_session_awaited() -> None:
    book = answered(max_call_s=600.0) >> response_created() << ... >> audio_delta(ms=900) << ...
    book >> audio_done() << ... >> response_done(calls=(("end_call", "call_1"),)) << ...
    book >> error("insufficient_quota") << ...
    assert (book.call.phase, book.call.link) == ("goodbye", "lost")
    assert Timer.WARN not in book.call.ctx.timers
    assert Timer.READY not in book.call.ctx.timers


def test_a_call_of_the_models_server_is_lost_with_its_session_at_the_hour() -> None:
    book = hosted_events.out(hosted_events.calling())
    book.call.model_link.next_session.plan(0.9)
    book >> wait(0.9) << ... >> NextSessionEvent(session_created()) << ...
    book >> NextSessionEvent(session_updated(book.agent)) << ... >> wait(0.9)
    outs = book.outs()
    lost = [out.outcome for out in outs if isinstance(out, events.HostedToolCompleted)]
    assert lost == ["lost"]
    assert do.SwitchToNextSession() in outs


def test_each_session_has_an_hour_of_its_own() -> None:
    book = rolling() >> wait(61) << ...
    for _ in range(2):
        book >> NextSessionEvent(session_created()) << ...
        expires_at = int(1_000_000 + book.now + 90)
        book >> NextSessionEvent(session_updated(book.agent, expires_at=expires_at))
        assert do.SwitchToNextSession() in book.outs()
        book >> wait(58) << nothing >> wait(3) << do.OpenNextSession(DEFAULT_MODEL) << nothing


def test_the_next_session_of_the_hour_makes_room_for_another_agents() -> None:
    book = answered()
    book.call.model_link.next_session.plan(0.9)
    book >> wait(0.9) << do.OpenNextSession(DEFAULT_MODEL) << nothing
    book.call.model_link.prepare(book.agent, book.session)
    book >> speech_started(0) << do.CloseNextSession() << do.OpenNextSession(DEFAULT_MODEL)
    book << nothing
