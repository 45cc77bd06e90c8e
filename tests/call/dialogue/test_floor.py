"""Who speaks is told when it changes, and as it was in the caller's ear."""

from __future__ import annotations

import pytest
from call.play import (
    Book,
    all_marks,
    answered,
    clears,
    ends,
    note,
    nothing,
    to_caller,
    truncates,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    stop,
)

from gateway.call import events
from gateway.call.endings import Ending


def watched(**agent: object) -> Book:
    book = answered(**agent)
    book.tells_floor = True
    return book


def test_the_model_speaks_until_its_last_sound_was_heard() -> None:
    (
        watched()
        >> response_created()
        >> audio_delta(ms=400)
        << note(events.ModelSpeechStarted)
        << to_caller(400)
        >> audio_done()
        >> response_done()
        << nothing
        >> wait(0.4)
        << nothing
        >> all_marks
        << note(events.FirstAudioSent)
        << note(events.ModelSpeechEnded)
        << nothing
    )


def test_the_callers_speech_is_told_as_old_as_it_is() -> None:
    """The model notices a word late, and its end only after the silence that its VAD waits for."""
    book = watched() >> wait(2.0) >> speech_started(1_400)
    (began,) = book.outs()
    book >> wait(1.0) >> speech_stopped(2_900)
    (ended,) = book.outs()
    # The stream began a frame before the clock did; the VAD waited for half a second.
    assert isinstance(began, events.CallerSpeechStarted)
    assert began.ago_s == pytest.approx(0.62, abs=1e-4)
    assert isinstance(ended, events.CallerSpeechEnded)
    assert ended.ago_s == pytest.approx(0.62, abs=1e-4)


def test_who_breaks_in_is_told_before_the_model_falls_silent() -> None:
    (
        watched()
        >> response_created()
        >> audio_delta(ms=1000)
        << note(events.ModelSpeechStarted)
        << to_caller(1000)
        >> wait(0.4)
        >> speech_started(300)
        << clears
        << truncates("item_1", 400)
        << note(events.BargedIn)
        << note(events.CallerSpeechStarted)
        << note(events.ModelSpeechEnded)
        << nothing
    )


def test_a_second_start_is_no_second_speech() -> None:
    (
        watched()
        >> speech_started()
        << note(events.CallerSpeechStarted)
        >> speech_started()
        << nothing
        >> stop()
        << ends(Ending.CALLER_HUNG_UP)
    )


def test_an_answer_that_was_begun_makes_no_sound_yet() -> None:
    watched() >> response_created() << nothing >> response_done() << nothing
