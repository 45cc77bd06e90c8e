"""A line on which nobody speaks: a nudge, then a farewell."""

from __future__ import annotations

from call.play import (
    Book,
    answered,
    asks,
    asks_for_an_answer,
    commits,
    drops_input,
    ends,
    last_mark,
    note,
    nothing,
    to_caller,
    wait,
)
from call.sideband import attached
from call.vendor_events import (
    already_active,
    audio_delta,
    audio_done,
    caller_says,
    committed,
    key,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import events
from gateway.call.dialogue.prompts import FAREWELL
from gateway.call.endings import Ending
from gateway.call.inputs import ModelLost

IDLE = {"nudge_after_s": 10.0, "end_after_s": 25.0, "nudge": "Ask whether they are still there."}
NUDGE = IDLE["nudge"]


def quiet(**agent: object) -> Book:
    return answered(idle=IDLE, **agent)


def says(book: Book, n: int, ms: int = 200) -> Book:
    """The model speaks, and is heard."""
    book >> response_created(f"resp_{n}") << nothing
    book >> audio_delta(f"item_{n}", ms=ms, response_id=f"resp_{n}") << to_caller(ms)
    book >> audio_done(f"item_{n}", f"resp_{n}") >> response_done(f"resp_{n}") << nothing
    return book >> wait(ms / 1000) >> last_mark << ...


def test_nudged_once_then_ended() -> None:
    book = quiet() >> wait(9.9) << nothing >> wait(0.2) << asks(NUDGE) << nothing
    says(book, 1) >> wait(14.9) << nothing >> wait(0.2) << asks(FAREWELL) << nothing
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=200, response_id="resp_2") << to_caller(200)
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") >> wait(0.2) << nothing
    book >> last_mark << ends(Ending.IDLE) << nothing


def test_the_silence_begins_when_the_model_is_heard_not_when_it_is_done() -> None:
    book = quiet() >> response_created() >> audio_delta(ms=800) << to_caller(800) >> audio_done()
    book.heard_marks = True
    book >> response_done() >> wait(10.7) << note(events.FirstAudioSent) << nothing
    book >> wait(0.2) << asks(NUDGE) << nothing


def test_a_caller_who_speaks_is_not_idle() -> None:
    book = quiet() >> wait(9.0) >> speech_started() >> wait(59.0) << nothing
    book >> speech_stopped(59_000) >> committed() >> response_created() << nothing
    assert book.call.ending is None


def test_after_an_answer_to_the_nudge_it_begins_anew() -> None:
    book = quiet() >> wait(10.1) << asks(NUDGE)
    says(book, 1) >> wait(5.0) >> speech_started() >> speech_stopped(500) >> committed() << nothing
    says(book, 2) >> wait(9.5) << nothing >> wait(0.6) << asks(NUDGE) << nothing


def test_a_key_is_a_sign_of_life() -> None:
    """It puts off the nudge; and after the nudge, the end."""
    book = (
        quiet(keypad="none") >> wait(9.0) >> key("5") << events.KeyPressed() >> wait(9.5) << nothing
    )
    book >> wait(0.6) << asks(NUDGE)
    says(book, 1) >> wait(14.0) >> key("#") << events.KeyPressed() >> wait(9.5) << nothing
    book >> wait(0.6) << asks(NUDGE) << nothing


def test_a_turn_that_is_answered_without_a_sound_is_a_silence_too() -> None:
    """The model had nothing to say: the caller is nudged, not left alone."""
    book = quiet() >> speech_started() >> speech_stopped(500) >> committed() >> response_created()
    book >> response_done() << nothing >> wait(10.1) << asks(NUDGE) << nothing


def test_while_an_answer_is_awaited_nobody_is_idle() -> None:
    book = answered(idle={"nudge_after_s": 2.0, "end_after_s": 4.0})
    book >> speech_started() >> speech_stopped(500) >> committed() >> wait(7.0) << nothing
    book >> response_created() >> response_done() << nothing >> wait(1.9) << nothing


def test_the_caller_answers_into_the_idle_farewell() -> None:
    book = quiet() >> wait(10.1) << asks(NUDGE)
    says(book, 1) >> wait(15.1) << asks(FAREWELL) >> response_created("resp_2")
    book >> audio_delta("item_2", ms=600, response_id="resp_2") << to_caller(600) >> wait(0.1)
    book >> speech_started() << ... >> response_done("resp_2", "cancelled")
    book >> speech_stopped(900) >> committed() << nothing
    says(book, 3) >> wait(9.5) << nothing >> wait(0.6) << asks(NUDGE) << nothing


def test_a_nudge_that_is_not_heard_of_does_not_keep_the_call() -> None:
    """The response to the nudge has no sound: the end comes all the same."""
    book = quiet() >> wait(10.1) << asks(NUDGE) >> response_created() >> response_done() << nothing
    book >> wait(15.1) << asks(FAREWELL) << nothing


def test_no_note_tells_which_key() -> None:
    for digit in "0123456789*#ABCD":
        answered(keypad="none") >> key(digit) << events.KeyPressed() << nothing


def test_a_greeting_counts_as_sound() -> None:
    book = quiet(greeting="Hello.")
    says(book, 1) >> wait(9.9) << nothing >> wait(0.2) << asks(NUDGE) << nothing


def test_nobody_asks_whether_the_caller_is_there_after_speech() -> None:
    """The caller spoke at the moment of the nudge; the server answers, and refuses ours."""
    book = quiet() >> wait(10.1) << asks(NUDGE) >> speech_started(10_000) << nothing
    book >> speech_stopped(10_600) >> committed() >> response_created("resp_1") << nothing
    book >> already_active() << note(events.ModelErrorReported, fault="benign")
    book >> response_done("resp_1") << nothing


# --- Speech that never ends ---

WITHOUT_END = note(events.ModelErrorReported, fault="recoverable", code="speech_without_end")
SPEECH_MAX_S = limits.call.SPEECH_MAX_S


def test_speech_without_an_end_is_answered_and_the_line_is_watched_again() -> None:
    """The server makes no response of a commit that is not its own."""
    book = quiet() >> speech_started() >> wait(SPEECH_MAX_S - 0.1) << nothing >> wait(0.2)
    book << WITHOUT_END << commits << nothing
    book >> committed() << asks_for_an_answer << nothing
    says(book, 1) >> wait(9.9) << nothing >> wait(0.2) << asks(NUDGE) << nothing


def test_speech_that_goes_on_after_that_does_not_keep_the_call() -> None:
    """Noise that the server takes for speech, again and again, is nobody who speaks."""
    book = quiet() >> speech_started() >> wait(SPEECH_MAX_S + 0.1) << WITHOUT_END << commits
    book >> committed() << asks_for_an_answer
    says(book, 1) >> speech_started(61_000, "turn_2") >> wait(SPEECH_MAX_S + 0.1) << WITHOUT_END
    book << commits << asks(NUDGE) << nothing >> response_created("resp_2") >> committed("turn_2")
    book << nothing >> response_done("resp_2") << asks_for_an_answer << nothing
    says(book, 3) >> speech_started(122_000, "turn_3") >> wait(15.1) << nothing
    book >> wait(limits.call.GOODBYE_MAX_S) << ends(Ending.IDLE, "unheard") << nothing


def test_a_turn_that_ends_well_is_believed_again() -> None:
    book = quiet() >> speech_started() >> wait(SPEECH_MAX_S + 0.1) << WITHOUT_END << commits
    book >> committed() << asks_for_an_answer
    says(book, 1) >> wait(9.0) >> speech_started(70_000, "turn_2") << nothing
    book >> speech_stopped(71_000, "turn_2") >> committed("turn_2") << nothing
    says(book, 2) >> wait(9.0) >> speech_started(90_000, "turn_3") >> wait(59.0) << nothing


def test_a_long_turn_whose_words_come_is_none_without_an_end() -> None:
    book = quiet() >> speech_started()
    for _ in range(4):
        book >> wait(50.0) << nothing >> caller_says("turn_1", "and then ") << nothing
    book >> wait(59.9) << nothing >> wait(0.2) << WITHOUT_END << commits << nothing


def test_where_turns_are_not_answered_the_sound_is_dropped() -> None:
    """Nobody would answer what was committed."""
    detection = {"type": "server_vad", "create_response": False}
    book = quiet(session={"audio": {"input": {"turn_detection": detection}}})
    book >> speech_started() >> wait(SPEECH_MAX_S + 0.1) << WITHOUT_END << drops_input << nothing
    book >> wait(9.8) << nothing >> wait(0.2) << asks(NUDGE) << nothing


def test_where_we_ask_for_answers_it_is_answered_once() -> None:
    book = quiet(barge_in={"min_speech_ms": 300}) >> speech_started()
    book >> wait(SPEECH_MAX_S + 0.1) << WITHOUT_END << commits << nothing
    book >> committed() << asks_for_an_answer << nothing >> response_created() << nothing
    book >> response_done() << nothing


def test_the_same_over_a_sideband() -> None:
    book = attached(idle=IDLE) >> speech_started() >> wait(SPEECH_MAX_S + 0.1)
    book << WITHOUT_END << commits << nothing >> committed() << asks_for_an_answer << nothing


def test_a_session_that_is_lost_takes_its_speech_with_it() -> None:
    book = quiet() >> speech_started() >> wait(30.0) >> ModelLost("closed_1006") << ...
    book >> session_created() << ... >> session_updated(book.agent) << ... >> wait(59.0)
    assert not [out for out in book.outs() if isinstance(out, events.ModelErrorReported)]
