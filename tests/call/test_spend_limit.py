"""A call that costs what it may: the model is told, and then the caller is handed on, or leaves."""

from __future__ import annotations

from call.play import (
    Book,
    all_marks,
    answered,
    asks,
    ends,
    note,
    nothing,
    outputs,
    tells_the_model,
    to_caller,
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
from gateway.call import commands as do
from gateway.call import events
from gateway.call.dialogue.prompts import COME_TO_AN_END, CONNECTING, FAREWELL, TRANSFER_FAILED
from gateway.call.endings import Ending
from gateway.call.inputs import ModelLost, SpendLimitReached, TransferFailed
from gateway.call.state_machines import CallPhase
from gateway.protocols.realtime_server import CallerTranscriptDone, TranscriptionUsage

PERSON = "+15550123"
FIRST = note(events.FirstAudioSent)


def said(book: Book, response_id: str) -> Book:
    """The model says its sentence, and all of it is heard."""
    (
        book
        >> response_created(response_id)
        >> audio_delta(response_id, ms=200, response_id=response_id)
    )
    book << to_caller(200) >> audio_done(response_id, response_id) << nothing
    return book >> response_done(response_id) << nothing >> wait(0.3) << nothing >> all_marks


def leaving() -> Book:
    """The caller was told of the transfer, and is on the way."""
    book = answered(fallback=PERSON) >> SpendLimitReached(1.0) << asks(CONNECTING) << nothing
    return said(book, "bye") << FIRST << do.TransferCaller(PERSON) << nothing


def test_near_the_limit_the_model_is_told_once() -> None:
    (
        answered()
        >> SpendLimitReached(0.8)
        << tells_the_model(COME_TO_AN_END)
        << nothing
        >> SpendLimitReached(0.8)
        << nothing
    )


def test_near_the_limit_a_goodbye_needs_no_telling() -> None:
    book = answered() >> response_created()
    book >> response_done(calls=(("end_call", "call_1"),)) << ...
    book >> SpendLimitReached(0.8) << nothing


def test_at_the_limit_goodbye_is_said_and_heard() -> None:
    book = answered() >> SpendLimitReached(1.0) << asks(FAREWELL) << nothing
    said(book, "bye") << FIRST << ends(Ending.SPEND_LIMIT) << nothing


def test_what_the_caller_adds_does_not_go_on_costing() -> None:
    book = answered() >> SpendLimitReached(1.0) << asks(FAREWELL) >> response_created() << nothing
    book >> speech_started() << ... >> speech_stopped(400) >> committed() << ...
    assert book.call.phase is CallPhase.GOODBYE
    book >> response_done(status="cancelled") << ends(Ending.SPEND_LIMIT) << nothing


def test_where_somebody_is_named_the_caller_is_handed_on() -> None:
    (
        leaving()
        >> stop()
        << note(events.TransferAttempted, outcome="done")
        << ends(Ending.TRANSFERRED)
    )


def test_where_nobody_takes_the_caller_they_are_told_goodbye() -> None:
    for fails in (
        lambda b: b >> TransferFailed("http_400"),
        lambda b: b >> wait(limits.call.TRANSFER_MAX_S),
    ):
        book = fails(leaving()) << note(events.TransferAttempted) << asks(FAREWELL) << nothing
        said(book, "end") << ends(Ending.SPEND_LIMIT) << nothing


def test_a_transfer_of_the_models_own_that_fails_ends_at_the_limit() -> None:
    book = answered(tools=["transfer"], transfers={"desk": {"to": PERSON}}) >> response_created()
    asked = response_done(calls=(("transfer", "call_1"),))
    assert asked.response.output
    asked.response.output[0].arguments = '{"target":"desk"}'
    said(book >> asked << ..., "bye") << ...
    book >> SpendLimitReached(1.0) << nothing >> TransferFailed("http_400")
    book << note(events.TransferAttempted) << outputs("call_1", TRANSFER_FAILED) << ...
    assert book.call.phase is CallPhase.GOODBYE


def test_without_a_model_nobody_is_told() -> None:
    (
        leaving()
        >> ModelLost("closed_1006")
        << nothing
        >> TransferFailed("http_400")
        << note(events.TransferAttempted)
        << do.OpenModel(0.0)  # the next session is asked for the farewell
        << nothing
    )


def test_a_transcript_tells_what_it_is_billed_by() -> None:
    book = answered(transcription={"model": "gpt-transcribe"})
    usage = TranscriptionUsage("duration", 2.5)
    book >> CallerTranscriptDone(item_id="turn_1", transcript="Hello.", usage=usage)
    book << note(events.TranscriptLine, who="caller", text="Hello.")
    book << events.TranscriptionCounted("gpt-transcribe", usage) << nothing
    book >> CallerTranscriptDone(item_id="turn_2", transcript="Hm.") << note(events.TranscriptLine)
    book << nothing


def test_a_model_that_is_away_is_told_when_it_is_back() -> None:
    book = answered() >> ModelLost("closed_1006") << ... >> SpendLimitReached(0.8) << nothing
    book >> session_created() << ... >> session_updated(book.call.agent) << ...
    book >> wait(limits.model.ROLL_LOOK_S + 0.1) << tells_the_model(COME_TO_AN_END) << nothing
    book >> wait(2 * limits.model.ROLL_LOOK_S) << nothing
