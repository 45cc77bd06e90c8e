"""The first seconds: the session is confirmed, the caller arrives, the greeting is said."""

from __future__ import annotations

import pytest
from call.play import (
    Book,
    answered,
    appends,
    asks,
    cancels,
    configures,
    ends,
    next_frame,
    note,
    nothing,
    to_caller,
    truncates,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    error,
    frame,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
)

from gateway import limits
from gateway.call import commands as do
from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.inputs import ModelLost

HELLO = "Hello, you have reached the front desk."
PCM = {"type": "audio/pcm", "rate": 24000}
PCMU = {"type": "audio/pcmu"}


def test_greets_when_the_model_is_ready_first() -> None:
    book = Book(greeting=HELLO)
    (
        book
        >> session_created()
        << configures
        << nothing
        >> session_updated(book.agent, expires_at=99)
        << note(events.ModelReady, seconds=0.0, expires_at=99)
        << nothing
        >> start()
        << note(events.CallerConnected, seconds=0.0)
        << nothing
        >> next_frame
        << appends(20)
        << asks(HELLO)
        << nothing
    )


def test_greets_when_the_caller_comes_first() -> None:
    book = Book(greeting=HELLO)
    (
        book
        >> start()
        << note(events.CallerConnected)
        >> next_frame
        << nothing
        >> session_created()
        << configures
        >> next_frame
        << nothing
        >> session_updated(book.agent)
        << note(events.ModelReady)
        << appends(40)
        << asks(HELLO)
        << nothing
    )


def test_the_greeting_is_said_once() -> None:
    book = answered(greeting=HELLO)
    (
        book
        >> session_updated(book.agent)
        << nothing
        >> next_frame
        << appends(20)
        >> response_created()
        << nothing
        >> audio_delta(ms=100)
        << to_caller(100)
        >> audio_done()
        >> response_done()
        << nothing
    )
    (book >> session_updated(book.agent) << nothing >> next_frame << appends(20) << nothing)


def test_the_greeting_is_word_for_word_and_calls_nothing() -> None:
    book = answered(greeting=HELLO)
    asked = [event for event in book.said if event["type"] == "response.create"]
    assert len(asked) == 1
    assert f'"{HELLO}"' in asked[0]["response"]["instructions"]
    assert asked[0]["response"]["tool_choice"] == "none"


def test_without_a_greeting_the_caller_speaks_first() -> None:
    answered(greeting=None) >> next_frame << appends(20) << nothing


def test_a_frame_that_cannot_be_twilios_does_not_start_the_greeting() -> None:
    """It is no sound: the line is not known to carry any."""
    book = Book(greeting=HELLO)
    book >> session_created() << ... >> session_updated(book.agent) << ... >> start() << ...
    (
        book
        >> frame("soon")
        << note(events.PeerFaultCounted, peer="caller", kind="timestamp")
        << nothing
        >> next_frame
        << appends(20)
        << asks(HELLO)
        << nothing
    )


def test_the_first_words_are_held_and_then_sent_in_one() -> None:
    book = Book()
    book >> session_created() << ... >> start() << ...
    for _ in range(50):
        book >> next_frame << nothing
    (
        book
        >> session_updated(book.agent)
        << note(events.ModelReady)
        << appends(1000)
        << nothing
        >> next_frame
        << appends(20)
        << nothing
    )


@pytest.mark.parametrize(
    "echoed",
    [
        {"input": {"format": PCMU}, "output": {"format": PCM}},
        {"input": {"format": PCM}, "output": {"format": PCMU}},
        {"input": {"format": {"type": "audio/pcm", "rate": 16000}}, "output": {"format": PCM}},
        {"input": {"format": PCM}},
        {"input": {"format": None}, "output": {"format": PCM}},
        {"input": "pcm", "output": 7},
        {},
    ],
)
def test_another_format_than_was_asked_for_ends_the_call(echoed: dict[str, object]) -> None:
    """Sound in another format is noise to the model: speech begins and never stops."""
    book = Book()
    (
        book
        >> start()
        << ...
        >> next_frame
        << nothing
        >> session_created()
        << configures
        >> session_updated(book.agent, audio=echoed)
        << ends(Ending.MODEL_REFUSED, "audio_format")
        << nothing
    )
    assert book.appended_ms == 0


@pytest.mark.parametrize("audio", ["pcm24k", "pcmu"])
def test_the_echo_may_say_more_than_was_asked(audio: str) -> None:
    book = Book(audio=audio)
    echo = {
        side: {"format": {**(PCM if audio == "pcm24k" else PCMU), "new": 1}, "also": []}
        for side in ("input", "output")
    }
    book >> session_created() << configures
    book >> session_updated(book.agent, audio=echo) << note(events.ModelReady) << nothing


def test_a_session_update_that_is_refused_ends_the_call() -> None:
    book = Book()
    book >> session_created() << configures
    update = book.said[0]["event_id"]
    (
        book
        >> error("invalid_value", about=update)
        << note(events.ModelErrorReported, fault="unknown", code="other")
        << ends(Ending.MODEL_REFUSED, "session_update")
        << nothing
    )


def test_a_refused_session_is_asked_for_once_more_without_its_optional_parts() -> None:
    book = Book(session={"tracing": "auto"})
    book >> session_created() << configures
    first = book.said[0]
    assert first["session"]["tracing"] == "auto"
    refused = error("invalid_value", about=first["event_id"], message="Invalid value: 'auto'.")
    words = "invalid_value: Invalid value: 'auto'."
    book >> refused << note(events.ModelErrorReported, words=words, refused=True) << configures
    second = book.said[1]
    assert "tracing" not in second["session"]
    assert second["session"]["tools"] == first["session"]["tools"]
    again = error("invalid_value", about=second["event_id"])
    book >> again << note(events.ModelErrorReported, refused=True)
    book << ends(Ending.MODEL_REFUSED, "session_update") << nothing


def test_a_session_without_its_optional_parts_is_the_calls_session() -> None:
    book = Book(session={"tracing": "auto"})
    book >> session_created() << configures
    (
        book
        >> error("invalid_value", about=book.said[0]["event_id"])
        << note(events.ModelErrorReported)
        << configures
    )
    book >> session_updated(book.agent) << note(events.ModelReady) << nothing


def test_a_caller_who_never_arrives() -> None:
    book = Book()
    book >> session_created() << ... >> session_updated(book.agent) << ...
    book >> wait(limits.call.ARRIVAL_WAIT_S - 0.01) << nothing
    book >> wait(0.02) << ends(Ending.NEVER_ARRIVED) << nothing


@pytest.mark.parametrize("created", [False, True])
def test_a_model_that_never_confirms(created: bool) -> None:
    """Each try has its time; after the last one, nobody waits any longer."""
    book = Book()
    if created:
        book >> session_created() << configures
    book >> wait(limits.model.MODEL_TRY_MAX_S - 0.01) << nothing
    book >> wait(0.02) << do.OpenModel(0.0) << nothing
    book >> wait(limits.model.MODEL_TRIES_MAX_S) << ...
    assert book.call.ending is Ending.MODEL_SILENT


def test_a_model_that_turns_us_away_before_the_caller_comes() -> None:
    lost = ModelLost("http_401", refused=True)
    Book() >> lost << ends(Ending.MODEL_REFUSED, "http_401") << nothing


def test_a_wire_that_is_not_mulaw_is_not_guessed_at() -> None:
    for encoding, hz, channels in (("audio/l16", 8000, 1), ("audio/x-mulaw", 16000, 1)):
        (
            Book()
            >> start(encoding, hz, channels)
            << note(events.CallerConnected)
            << ends(Ending.MEDIA_UNSUPPORTED)
            << nothing
        )


def test_the_first_sound_is_told_of_once() -> None:
    book = Book(greeting=HELLO)
    book >> session_created() << ... >> session_updated(book.agent) << ... >> wait(2.0)
    book >> start() << note(events.CallerConnected, seconds=2.0) >> next_frame << ... >> wait(0.5)
    book >> response_created() >> audio_delta(ms=400) << to_caller(400)
    book.heard_marks = True
    book >> wait(0.5) << note(events.FirstAudioSent, seconds=2.5, after_arrival_s=0.5) << nothing


def test_a_caller_who_speaks_while_the_greeting_is_being_asked_for_is_not_talked_over() -> None:
    """Our `response.create` crossed with the caller's voice: nobody waits for it any more."""
    book = answered(greeting=HELLO)
    (
        book
        >> speech_started()
        << nothing
        >> response_created("resp_1")
        << cancels("resp_1")
        << nothing
        >> audio_delta(ms=400)
        << truncates("item_1", 0)
        << nothing
        >> response_done(status="cancelled")
        << nothing
        >> speech_stopped(500)
        << nothing
        >> response_created("resp_2")
        >> audio_delta("item_2", ms=100, response_id="resp_2")
        << to_caller(100)
    )
