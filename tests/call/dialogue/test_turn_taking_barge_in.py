"""The caller breaks in: quiet at once, and the model learns what was heard."""

from __future__ import annotations

import pytest
from call.play import (
    Book,
    all_marks,
    answered,
    clears,
    first_mark,
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
    error,
    mark,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import commands as do
from gateway.call import events


def speaking(ms: int = 1000, **agent: object) -> Book:
    """The model speaks: `ms` of sound came, what the lead allows is sent."""
    book = answered(**agent)
    return book >> response_created() >> audio_delta(ms=ms) << ...


def test_in_mid_item_the_model_learns_what_was_heard() -> None:
    """By the marks, and the time since the last of them."""
    (
        speaking(1000)
        >> wait(0.25)
        >> mark("0:1")
        << note(events.FirstAudioSent)
        >> mark("0:2")  # 220 ms were heard, 30 ms later than the clock said
        >> wait(0.1)
        << nothing
        >> speech_started()
        << clears
        << truncates("item_1", 320)
        << note(events.BargedIn, item_id="item_1", heard_ms=320)
        << nothing
    )


def test_without_a_mark_the_clock_tells() -> None:
    speaking(1000) >> wait(0.4) >> speech_started() << clears << truncates("item_1", 400) << ...


def test_after_response_done_while_sound_is_still_played() -> None:
    (
        speaking(1000)
        >> audio_done()
        >> response_done()
        << nothing
        >> wait(0.7)
        >> speech_started()
        << clears
        << truncates("item_1", 700)
        << note(events.BargedIn, item_id="item_1", heard_ms=700)
        << nothing
    )


def test_while_the_models_sound_fails_to_come_its_sentence_is_still_broken_into() -> None:
    """The caller heard all that there was, and was about to hear more."""
    (
        speaking(400)
        >> wait(0.7)
        >> speech_started()
        << clears
        << truncates("item_1", 400)
        << note(events.BargedIn, item_id="item_1", heard_ms=400)
        << nothing
        >> audio_delta(ms=400)
        << nothing
    )


def test_items_behind_the_one_that_was_heard_keep_nothing() -> None:
    (
        speaking(400)
        >> audio_done()
        >> audio_delta("item_2", ms=300)
        << to_caller(300)
        >> audio_done("item_2")
        >> audio_delta("item_3", ms=2000)
        << to_caller(200)
        >> wait(0.15)
        << ...
        >> speech_started()
        << clears
        << truncates("item_1", 150)
        << truncates("item_2", 0)
        << truncates("item_3", 0)
        << note(events.BargedIn, item_id="item_1", heard_ms=150)
        << nothing
    )


def test_an_item_heard_to_its_end_is_not_truncated() -> None:
    (
        speaking(400)
        >> audio_done()
        >> audio_delta("item_2", ms=600)
        << to_caller(600)
        >> wait(0.5)
        >> speech_started()
        << clears
        << truncates("item_2", 100)
        << note(events.BargedIn, item_id="item_2", heard_ms=100)
        << nothing
    )


def test_an_answer_heard_to_its_end_is_left_alone() -> None:
    (
        speaking(400)
        >> audio_done()
        >> response_done()
        >> wait(0.5)
        >> all_marks
        << ...
        >> speech_started()
        << nothing
    )


def test_marks_echoed_by_the_clear_were_not_heard() -> None:
    book = speaking(1000) >> wait(0.3) >> speech_started() << clears << truncates("item_1", 300)
    book << note(events.BargedIn) >> all_marks << nothing
    assert book.call.line.downlink.ledger.heard_ms(book.now) == 0
    book >> response_done(status="cancelled") >> speech_stopped(500) << nothing
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=1000, response_id="resp_2") << to_caller(1000) >> wait(0.2)
    book >> speech_started() << clears << truncates("item_2", 200) << ...


def test_nothing_was_played_so_nothing_is_truncated() -> None:
    """Public bridges get an API error for a truncation before any sound."""
    (
        speaking(1000)
        >> speech_started()
        << clears
        << note(events.BargedIn, item_id="item_1", heard_ms=0)
        << nothing
    )


def test_nothing_of_a_later_answer_was_played_so_nothing_of_it_is_truncated() -> None:
    book = speaking(400) >> audio_done() >> response_done() >> wait(0.5) >> all_marks << ...
    book >> speech_started() >> speech_stopped(600) >> response_created("resp_2") << nothing
    (
        book
        >> audio_delta("item_2", ms=1000, response_id="resp_2")
        << to_caller(1000)
        >> speech_started()
        << clears
        << note(events.BargedIn, item_id="item_2", heard_ms=0)
        << nothing
    )


def test_before_the_first_sound_of_an_answer_there_is_nothing_to_cut() -> None:
    """The caller goes on after a pause, while the model thinks: the server cancels, no more."""
    book = answered() >> response_created() << nothing >> speech_started() << nothing
    book >> response_done(status="cancelled") << nothing
    assert book.call.ctx.tally.barge_ins == 0


def test_no_truncation_goes_beyond_what_was_received() -> None:
    """The last frame is filled up with silence, which the item does not have."""
    (
        speaking(390)
        >> audio_done()
        << to_caller(20)
        >> audio_delta("item_2", ms=5)
        << nothing
        >> wait(0.395)
        >> speech_started()
        << clears
        << truncates("item_1", 390)
        << truncates("item_2", 0)
        << ...
    )


def test_late_sound_of_what_was_cut_is_dropped() -> None:
    (
        speaking(600)
        >> wait(0.2)
        >> speech_started()
        << clears
        << ...
        >> audio_delta(ms=400)
        << nothing
        >> audio_done()
        << nothing
        >> response_done(status="cancelled")
        << nothing
        >> wait(1.0)
        << nothing
    )


def test_sound_of_a_cut_item_stays_out_whoever_says_otherwise() -> None:
    """Nothing of it was played, so nothing was truncated; it was cut all the same."""
    book = speaking(200) >> audio_done() >> response_done() >> speech_started() << clears << ...
    book >> audio_delta(ms=200) << nothing >> audio_delta(ms=200, response_id="x") << nothing


def test_not_even_the_ragged_rest_of_what_was_cut_is_heard() -> None:
    """Ten milliseconds waited for the rest of their frame; the umpire knows them by their sound."""
    book = answered(audio="pcmu") >> response_created()
    book >> audio_delta(ms=210, audio="pcmu", code=0x11) << to_caller(200) >> wait(0.1)
    book >> speech_started() << ... >> response_done(status="cancelled") >> speech_stopped(9)
    book >> response_created("resp_2") << nothing
    sound = audio_delta("item_2", ms=15, response_id="resp_2", audio="pcmu", code=0x12)
    book >> sound << nothing >> audio_done("item_2", "resp_2") << to_caller(20)


def test_an_item_that_comes_only_after_the_cut_keeps_nothing_either() -> None:
    """It was on its way while we cut: nobody hears it, and the model must know."""
    (
        speaking(600)
        >> wait(0.2)
        >> speech_started()
        << ...
        >> audio_delta("item_2", ms=400)
        << truncates("item_2", 0)
        << nothing
        >> audio_delta("item_2", ms=400)
        << nothing
    )


def test_twice_within_one_response() -> None:
    """The caller stops and starts again before the server has said that it cancelled."""
    (
        speaking(1000)
        >> wait(0.3)
        >> speech_started()
        << clears
        << truncates("item_1", 300)
        << note(events.BargedIn)
        >> speech_stopped(700)
        >> speech_started(900)
        << nothing
        >> audio_delta(ms=200)
        << nothing
        >> response_done(status="cancelled")
        >> speech_stopped(1200)
        << nothing
        >> response_created("resp_2")
        >> audio_delta("item_2", ms=200, response_id="resp_2")
        << to_caller(200)
        << nothing
    )


def test_twice_in_a_call() -> None:
    book = speaking(1000) >> wait(0.3) >> speech_started() << ... >> all_marks << nothing
    book >> response_done(status="cancelled") >> speech_stopped(500) << nothing
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=2000, response_id="resp_2") << to_caller(820)
    (
        book
        >> wait(0.1)
        << to_caller(200)
        >> first_mark  # of 20 ms, 80 ms late
        << note(events.FirstAudioSent)
        << note(events.TurnMeasured)
        >> wait(0.1)
        << ...
        >> speech_started()
        << clears
        << truncates("item_2", 120)
        << note(events.BargedIn, heard_ms=120)
        << nothing
    )
    assert book.call.ctx.tally.barge_ins == 2


def test_a_truncation_that_overshot_after_all_is_no_harm() -> None:
    said = "Audio content of 3700ms is already shorter than 3760ms"
    book = speaking(1000) >> wait(0.4) >> speech_started() << ...
    book >> error(None, message=said)
    book << note(events.ModelErrorReported, fault="benign", code="truncation_overshot") << nothing


def test_the_wait_between_voice_and_silence_is_measured() -> None:
    book = answered()  # the line's clock: 20 ms were spoken when the first frame came
    book >> wait(2.0) >> response_created() >> audio_delta(ms=1000) << ... >> wait(0.5)
    book >> speech_started(2300)
    book << clears << truncates("item_1", 500) << note(events.BargedIn, reaction_s=0.22)


def test_an_item_without_sound_is_never_truncated() -> None:
    """`audio.done` may come for an item of which there was none."""
    (
        speaking(1000)
        >> audio_done()
        >> audio_done("item_2")
        >> wait(0.4)
        >> speech_started()
        << clears
        << truncates("item_1", 400)
        << note(events.BargedIn)
        << nothing
    )


def test_the_tail_that_the_telephone_still_plays_is_no_interruption() -> None:
    """By our clock all of it was heard; the last mark is on its way."""
    book = speaking(400) >> audio_done() >> response_done() >> wait(0.41) << nothing
    book >> speech_started() << nothing >> last_mark
    assert book.call.ctx.tally.barge_ins == 0


@pytest.mark.parametrize("flag", [None, True])
def test_the_server_interrupts_unless_it_is_told_not_to(flag: bool | None) -> None:
    vad = {"type": "semantic_vad"} | ({} if flag is None else {"interrupt_response": flag})
    book = speaking(1000, turn_detection=vad) >> wait(0.3)
    book >> speech_started() << clears << truncates("item_1", 300) << ...


@pytest.mark.parametrize("by_session", [False, True])
def test_an_agent_that_may_not_be_interrupted_speaks_on(by_session: bool) -> None:
    """With `interrupt_response: false` the server goes on, and so does the sound."""
    vad = {"type": "server_vad", "interrupt_response": False}
    agent = {"session": {"audio": {"input": {"turn_detection": vad}}}}
    book = speaking(1000, **(agent if by_session else {"turn_detection": vad})) >> wait(0.3)
    book >> speech_started() << nothing >> audio_delta(ms=200) << to_caller(200) << nothing


def test_what_the_callers_words_make_void_is_cancelled_when_they_break_in() -> None:
    """At once, and not first when the turn is over."""
    stock = {
        "description": "Looks up.",
        "parameters": {"type": "object", "properties": {}},
        "http": {"url": "https://api.example.com/"},
        "on_barge_in": "cancel",
    }
    book = speaking(tools=["stock"], functions={"stock": stock}) >> audio_done() << ...
    book >> response_done(calls=(("stock", "call_1"),)) << ... >> wait(0.4) << ...
    book >> speech_started(400)
    assert do.CancelTool("call_1") in book.outs()


def test_a_turn_that_ended_well_was_no_noise() -> None:
    """The event of the end of its speech could not be read."""
    book = answered() >> speech_started(0) << ... >> wait(limits.call.SPEECH_MAX_S + 0.1) << ...
    book >> committed() << ...
    assert book.call.ctx.caller.doubted
    book >> speech_started(0) << ... >> committed("turn_2") << ...
    assert not book.call.ctx.caller.doubted
