"""`min_speech_ms` and `protect_greeting_ms`: the gateway, not the VAD, decides on turns."""

from __future__ import annotations

from call.play import (
    Book,
    all_marks,
    answered,
    asks_for_an_answer,
    cancels,
    clears,
    deletes,
    last_mark,
    note,
    nothing,
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
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import events

SHORT = events.BargeInIgnored("short")
GREETING = events.BargeInIgnored("greeting")


def speaking(ms: int = 2000, min_speech_ms: int = 300) -> Book:
    book = answered(barge_in={"min_speech_ms": min_speech_ms})
    return book >> response_created() >> audio_delta(ms=ms) << ...


def test_the_server_is_told_to_leave_turns_to_us() -> None:
    book = answered(barge_in={"min_speech_ms": 300})
    update = next(event for event in book.said if event["type"] == "session.update")
    detection = update["session"]["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)


def test_a_turn_is_answered_because_we_ask() -> None:
    book = answered(barge_in={"min_speech_ms": 300})
    (
        book
        >> speech_started()
        >> speech_stopped(500)
        << nothing
        >> committed()
        << asks_for_an_answer
        << nothing
        >> response_created()
        << nothing
    )


def test_speech_that_lasts_is_an_interruption() -> None:
    (
        speaking()
        >> wait(0.5)
        << ...
        >> speech_started()
        << nothing
        >> wait(0.299)
        << ...
        >> wait(0.002)
        << cancels("resp_1")
        << clears
        << truncates("item_1", 800)
        << note(events.BargedIn, item_id="item_1", heard_ms=800)
        << nothing
        >> response_done(status="cancelled")
        << nothing
        >> speech_stopped(2000)
        << nothing
        >> committed()
        << asks_for_an_answer
        << nothing
    )


def test_uh_huh_is_no_turn_and_is_forgotten() -> None:
    """The model goes on as if it had not been said, and does not remember it."""
    (
        speaking()
        >> wait(0.5)
        << ...
        >> speech_started(item_id="hm")
        >> wait(0.2)
        << ...
        >> speech_stopped(700, "hm")
        << SHORT
        << nothing
        >> committed("hm")
        << deletes("hm")
        << nothing
        >> audio_done()
        >> response_done()
        << nothing
    )


def test_uh_huh_twice() -> None:
    book = speaking()
    for n in range(3):
        book >> wait(0.2) << ... >> speech_started(item_id=f"hm_{n}") >> wait(0.1) << ...
        book >> speech_stopped(0, f"hm_{n}") << SHORT >> committed(f"hm_{n}") << deletes(f"hm_{n}")
    assert book.call.ctx.tally.barge_ins == 0


def test_an_uh_huh_whose_commit_never_came_does_not_cost_the_next_turn() -> None:
    book = speaking(400) >> audio_done() >> response_done() << ... >> speech_started() >> wait(0.1)
    book >> speech_stopped(100) << SHORT >> wait(0.3) >> all_marks << note(events.FirstAudioSent)
    book >> speech_started(item_id="turn_2") >> wait(1.0) << nothing >> speech_stopped(2, "turn_2")
    book << nothing >> committed("turn_2") << asks_for_an_answer << nothing


def test_a_short_answer_that_ends_after_the_model_does_is_a_turn() -> None:
    """'... shall I book it?' 'Yes': said over the last of her sound, and meant."""
    book = speaking(400) >> audio_done() >> response_done() << ... >> wait(0.3)
    (
        book
        >> speech_started(item_id="yes")
        >> wait(0.2)
        << nothing
        >> speech_stopped(600, "yes")
        << nothing
        >> committed("yes")
        << asks_for_an_answer
        << nothing
    )


def test_a_short_addition_before_her_answer_sounds_is_not_thrown_away() -> None:
    """'A table, please.' ... 'For two.' The model has not spoken yet: nothing is interrupted."""
    book = answered(barge_in={"min_speech_ms": 300}) >> speech_started() >> speech_stopped(1)
    book >> committed() << asks_for_an_answer >> response_created() << nothing
    (
        book
        >> speech_started(item_id="for two")
        >> wait(0.2)
        >> speech_stopped(2, "for two")
        << nothing
        >> committed("for two")
        << nothing
        >> response_done()
        << asks_for_an_answer
        << nothing
    )


def test_without_a_least_time_any_speech_interrupts_at_once() -> None:
    """Only the greeting is protected: no tick is waited for."""
    book = answered(barge_in={"protect_greeting_ms": 500}) >> wait(1.0) >> response_created()
    book >> audio_delta(ms=1000) << ... >> wait(0.4)
    book >> speech_started() << cancels("resp_1") << clears << truncates("item_1", 400)
    book << note(events.BargedIn) << nothing


def test_while_the_model_is_silent_no_least_time_is_asked() -> None:
    book = answered(barge_in={"min_speech_ms": 300}) >> speech_started() >> wait(0.05)
    book >> speech_stopped(50) << nothing >> committed() << asks_for_an_answer << nothing


def greeted(protect_ms: int, min_speech_ms: int = 0) -> Book:
    barge_in = {"protect_greeting_ms": protect_ms, "min_speech_ms": min_speech_ms}
    book = answered(greeting="Welcome.", barge_in=barge_in) >> response_created()
    return book >> audio_delta(ms=3000) << ...


def test_the_greeting_is_not_interrupted_by_line_noise() -> None:
    book = greeted(2000, 200) >> wait(0.5) << ... >> speech_started() << GREETING << nothing
    book >> wait(1.0) << ... >> speech_stopped(1500)
    assert book.call.ctx.tally.barge_ins == 0


def test_after_its_time_the_greeting_is_interrupted_like_anything_else() -> None:
    book = greeted(1000, 200) >> wait(1.1) << ... >> speech_started() << nothing
    book >> wait(0.21) << ...
    assert book.call.ctx.tally.barge_ins == 1


def test_the_greeting_is_not_cancelled_by_a_voice_that_came_before_it_began() -> None:
    """It is protected from the moment it was asked for."""
    barge_in = {"protect_greeting_ms": 2000}
    book = answered(greeting="Welcome.", barge_in=barge_in)
    book >> speech_started() << GREETING >> response_created() << nothing
    book >> audio_delta(ms=200) << to_caller(200)


def test_only_the_greeting_is_protected() -> None:
    book = greeted(500) >> audio_done() >> response_done() << ... >> wait(4.0) << ...
    book >> all_marks << ... >> speech_started() >> speech_stopped(9) >> committed()
    book << asks_for_an_answer >> response_created("resp_2")
    book >> audio_delta("item_2", ms=900, response_id="resp_2") << ... >> wait(0.1)
    book >> speech_started() << cancels("resp_2") << clears << truncates("item_2", 100) << ...


def test_a_response_that_begins_while_the_caller_interrupts_is_cancelled() -> None:
    """The caller spoke when it was only asked for; it would talk over them."""
    book = answered(barge_in={"min_speech_ms": 100}) >> speech_started() >> speech_stopped(1)
    book >> committed() << asks_for_an_answer >> speech_started() >> wait(0.2) << nothing
    book >> response_created() << cancels("resp_1") << nothing >> audio_delta(ms=100) << ...
    assert book.umpire.sent_ms == 0
    book >> response_done(status="cancelled") << nothing
    book >> speech_stopped(2) << nothing >> committed("turn_2") << asks_for_an_answer << nothing


def test_a_failed_answer_is_asked_for_again_when_the_caller_is_done() -> None:
    book = answered(barge_in={"min_speech_ms": 100}) >> speech_started() >> speech_stopped(1)
    book >> committed() << asks_for_an_answer >> response_created() >> speech_started() << nothing
    (
        book
        >> response_done(status="failed", failure="server_error")
        << note(events.ModelErrorReported)
    )
    (
        book
        << nothing
        >> wait(0.05)
        >> speech_stopped(2)
        << ...
        >> wait(limits.model.RESPONSE_START_MAX_S - 1)
        << ...
    )
    assert [e["type"] for e in book.said].count("response.create") == 2


def test_the_end_of_the_sound_is_heard_after_an_uh_huh() -> None:
    book = speaking(1000) >> wait(0.5) << ... >> speech_started() >> wait(0.1) << ...
    book >> speech_stopped(600) << SHORT >> committed() << deletes("turn_1") >> audio_done()
    book >> response_done() << nothing >> wait(0.5) << ...
    assert book.umpire.sent_ms == 1000
    book >> last_mark << ... >> wait(1.0) << nothing


def test_nothing_of_the_greeting_is_asked_for_twice() -> None:
    book = greeted(1000) >> audio_done() >> response_done() << ... >> wait(5.0) << ...
    assert len([e for e in book.said if e["type"] == "response.create"]) == 1
