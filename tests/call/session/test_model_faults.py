"""Errors of the model's server: few of them mean anything, and only some end a call."""

from __future__ import annotations

import pytest
from call.play import Book, answered, ends, last_mark, note, nothing, to_caller, wait
from call.sideband import SipBook
from call.vendor_events import (
    audio_delta,
    audio_done,
    error,
    response_created,
    response_done,
    speech_started,
)

from gateway.call import commands as do
from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.inputs import AcceptRefused, ModelLost, PeerFaultSeen
from gateway.protocols.realtime_server import ErrorBody


def erred(fault: str, code: str) -> object:
    return note(events.ModelErrorReported, fault=fault, code=code)


def farewell() -> Book:
    """The model says goodbye: 600 ms of it are on their way."""
    book = answered() >> response_created() >> audio_delta(ms=600) << to_caller(600)
    book >> audio_done() >> response_done(calls=(("end_call", "call_1"),))
    return book << note(events.ToolCalled, name="end_call") << nothing


@pytest.mark.parametrize(
    "code",
    [
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_truncate_invalid_item_id",
        "item_delete_invalid_item_id",
    ],
)
def test_benign(code: str) -> None:
    answered() >> error(code) << erred("benign", code) << nothing >> wait(1.0) << nothing


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
def test_recoverable(code: str) -> None:
    answered() >> error(code) << erred("recoverable", code) << nothing


@pytest.mark.parametrize(
    "code",
    ["invalid_api_key", "insufficient_quota", "model_not_found", "beta_api_shape_disabled"],
)
def test_fatal(code: str) -> None:
    answered() >> error(code) << erred("fatal", code) << ends(Ending.MODEL_REFUSED, code) << nothing


@pytest.mark.parametrize("code", ["invalid_value", "brand_new", None, ""])
def test_an_unknown_one_never_ends_a_call(code: str | None) -> None:
    book = answered()
    for _ in range(20):
        book >> error(code, about="event_of_long_ago") << erred("unknown", "other") << nothing


def test_the_sessions_hour_is_up() -> None:
    """It came before we had changed over: another session would work."""
    (
        answered()
        >> error("session_expired")
        << erred("expired", "session_expired")
        << note(events.ModelDisconnected, reason="session_expired")
        << do.OpenModel(0.0)
        << nothing
    )


@pytest.mark.parametrize(
    ("lost", "noted"),
    [
        (ModelLost("closed_1006"), None),
        (error("session_expired"), erred("expired", "session_expired")),
        (error("insufficient_quota"), erred("fatal", "insufficient_quota")),
    ],
)
def test_a_goodbye_that_is_on_its_way_is_heard_without_the_model(
    lost: object, noted: object
) -> None:
    book = farewell() >> lost
    if noted is not None:
        book << noted
    book << nothing >> wait(0.6) << nothing >> ModelLost("closed_1000") << nothing
    book >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


def test_what_an_expired_session_still_hears_changes_nothing() -> None:
    """Its socket is open for a moment; the goodbye is not cut for a conversation without model."""
    book = farewell() >> error("session_expired") << ... >> wait(0.2) >> speech_started() << nothing
    book >> wait(0.4) >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


def test_the_model_is_lost_between_the_last_sound_and_its_mark() -> None:
    book = farewell() >> wait(0.65) >> ModelLost("closed_1006") << nothing
    book >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


def test_a_farewell_that_breaks_off_with_the_model_is_heard_as_far_as_it_came() -> None:
    book = answered() >> response_created() >> response_done(calls=(("end_call", "call_1"),)) << ...
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=400, response_id="resp_2") << to_caller(400)
    book >> ModelLost("closed_1006") << nothing >> wait(0.4) << nothing
    book >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


def test_after_the_loss_nothing_can_bring_the_call_back_to_life() -> None:
    """In the goodbye a cough began; the link went; nobody is there to say that it ended."""
    book = answered(barge_in={"min_speech_ms": 300}) >> response_created()
    book >> audio_delta(ms=900) << ... >> audio_done()
    book >> response_done(calls=(("end_call", "call_1"),)) << ... >> wait(0.1)
    book >> speech_started() << nothing >> ModelLost("closed_1006") << nothing
    book >> wait(0.8) << nothing >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


def test_a_response_that_fails_for_good_ends_the_call() -> None:
    book = answered() >> response_created() << nothing
    book >> response_done(status="failed", failure="insufficient_quota")
    book << note(events.ModelErrorReported, fault="fatal", refused=True)
    book << ends(Ending.MODEL_REFUSED, "insufficient_quota") << nothing


def test_what_could_not_be_read_is_noted() -> None:
    (
        answered()
        >> PeerFaultSeen("model", "junk")
        << events.PeerFaultCounted("model", "junk")
        << nothing
    )


def test_a_session_that_is_refused_at_accept_is_reported_with_the_vendors_words() -> None:
    refused = AcceptRefused(ErrorBody(code="invalid_value", message="'x' is not supported."))
    words = "invalid_value: 'x' is not supported."
    (
        SipBook()
        >> refused
        << note(events.ModelErrorReported, fault="unknown", code="other", words=words, refused=True)
        << nothing
    )
