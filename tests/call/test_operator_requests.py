"""An operator's requests: the agent says a line, looks at a picture, transfers the caller."""

from __future__ import annotations

import pytest

from call.play import (
    Book,
    all_marks,
    answered,
    asks,
    asks_for_an_answer,
    clears,
    ends,
    note,
    nothing,
    tells_the_model,
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
from gateway import limits
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue.prompts import CONNECTING, TRANSFER_FAILED
from gateway.call.endings import Ending

SAY = inputs.SayRequested("The office closes at six.")
PICTURE = "data:image/png;base64,iVBORw0KGgo="
SHOW = inputs.ShowImageRequested(PICTURE, "A photo from the operator.")
HAND_OVER = inputs.TransferRequested(do.TransferCaller("+15550123"))
WISHES = pytest.mark.parametrize("wish", [SAY, SHOW, HAND_OVER])


def connecting() -> Book:
    """An operator transfers the caller; the model is asked to say so."""
    return answered() >> HAND_OVER << asks(CONNECTING) << nothing


def leaving() -> Book:
    """It has been said and heard: the carrier is asked to take the caller elsewhere."""
    book = connecting() >> response_created() >> audio_delta(ms=200) << to_caller(200)
    book = book >> audio_done() >> response_done() << nothing >> all_marks
    return book << note(events.FirstAudioSent) << do.TransferCaller("+15550123") << nothing


def test_the_agent_says_a_line_word_for_word() -> None:
    answered() >> SAY << asks("The office closes at six.") << nothing


def test_a_line_waits_for_the_caller_and_for_the_answer() -> None:
    (
        answered()
        >> speech_started()
        >> SAY
        << nothing
        >> speech_stopped()
        << nothing
        >> response_created()
        << nothing
        >> response_done()
        << asks("The office closes at six.")
        << nothing
    )


def test_a_picture_is_shown_and_spoken_about() -> None:
    (answered() >> SHOW << tells_the_model(PICTURE) << asks_for_an_answer << nothing)


def test_a_picture_in_mid_answer_gets_an_answer_of_its_own() -> None:
    (
        answered()
        >> response_created()
        >> SHOW
        << tells_the_model("A photo from the operator.")
        << nothing
        >> response_done()
        << asks_for_an_answer
    )


def test_a_caller_is_handed_over_when_the_caller_has_heard_it() -> None:
    (
        leaving()
        >> stop()
        << note(events.TransferAttempted, outcome="done")
        << ends(Ending.TRANSFERRED)
    )


def test_what_the_caller_says_does_not_revoke_an_operators_decision() -> None:
    (
        connecting()
        >> response_created()
        >> audio_delta(ms=1000)
        << to_caller(1000)
        >> wait(0.2)
        >> speech_started()
        << clears
        << truncates("item_1", 200)
        << note(events.BargedIn)
        << nothing
        >> response_done(status="cancelled")
        << nothing
        >> speech_stopped()
        << do.TransferCaller("+15550123")
        << nothing
    )


@pytest.mark.parametrize("how", ["refused", "no_outcome"])
def test_a_transfer_that_fails_gives_the_caller_back(how: str) -> None:
    book = leaving()
    book >> (
        inputs.TransferFailed("http_500") if how == "refused" else wait(limits.call.TRANSFER_MAX_S)
    )
    book << note(events.TransferAttempted, outcome=how) << asks(TRANSFER_FAILED) << nothing


@WISHES
def test_nothing_is_asked_of_a_call_that_has_not_begun(wish: object) -> None:
    book = Book() >> wish << nothing
    assert not book.call.takes_operator_requests


@WISHES
def test_nothing_more_is_asked_once_the_call_comes_to_its_end(wish: object) -> None:
    connecting() >> wish << nothing
