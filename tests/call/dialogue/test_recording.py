"""Consent to a recording: told first, heard to its end by the marks, and told again."""

from __future__ import annotations

from typing import Any

from call.play import Book, an_agent, answered, note, wait
from call.vendor_events import (
    audio_delta,
    audio_done,
    key,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
)

from gateway import limits
from gateway.audio import stereo_timeline as line
from gateway.call import events, inputs
from gateway.call.dialogue.recording import CallRecording

TOLD = "This call is recorded."
HELLO = "Hello."
RECORDING = {"consent": TOLD}


def recorded(**agent: Any) -> Book:
    book = answered(greeting=HELLO, **{"recording": RECORDING} | agent)
    book.heard_marks = True
    return book


def said(book: Book, name: str, ms: int) -> Book:
    """The model says something that was asked for."""
    return (
        book
        >> response_created(name)
        << ...
        >> audio_delta(f"item_{name}", ms=ms, response_id=name)
        << ...
        >> audio_done(f"item_{name}", name)
        << ...
        >> response_done(name)
        << ...
    )


def told(book: Book, ms: int = 1000) -> Book:
    """The model says that the call is recorded, and the greeting is asked for at once."""
    return said(book, "told", ms)


def asked(book: Book) -> str:
    """The instructions of the response that was asked for last."""
    return str([one for one in book.said if one["type"] == "response.create"][-1]["response"])


def kinds(book: Book) -> list[int]:
    """The entries of the tap that are no sound and no mark."""
    found = [kind for kind, _, _ in book.call.line.tap.take()]
    return [k for k in found if k not in (line.CALLER, line.PLAYED, line.MARKED, line.ACKNOWLEDGED)]


def test_an_agent_without_recording_taps_nothing() -> None:
    book = answered(greeting=HELLO)
    assert book.call.line.tap is None
    assert not book.call.recording.wanted
    assert not book.call.recording.handlers


def test_the_caller_is_told_before_the_greeting() -> None:
    book = recorded()
    assert TOLD in asked(book)
    told(book)
    assert HELLO in asked(book)
    assert book.call.recording.state == ""


def test_sound_is_kept_from_the_end_of_what_the_caller_was_told() -> None:
    book = told(recorded())
    began_at = book.now
    assert kinds(book) == []
    book >> wait(0.9) << ...
    assert book.call.recording.state == ""
    book >> wait(0.2)
    book << note(events.RecordingStarted) << ...
    assert book.call.recording.state == "on"
    ((_, _, at),) = [entry for entry in [*book.call.line.tap.take()] if entry[0] == line.KEEP]
    assert 0.99 <= at - began_at <= 1.06


def interrupted(book: Book, number: int) -> Book:
    """The caller speaks into it; the model answers, and is heard to the end."""
    answer, item = f"resp_a{number}", f"item_a{number}"
    return (
        book
        >> speech_started(1000)
        << ...
        >> speech_stopped(1500)
        << ...
        >> response_created(answer)
        << ...
        >> audio_delta(item, ms=500, response_id=answer)
        << ...
        >> audio_done(item, answer)
        << ...
        >> response_done(answer)
        << ...
    )


def test_who_speaks_into_it_is_told_again_when_it_is_quiet() -> None:
    book = interrupted(told(recorded(), ms=4000) >> wait(1) << ..., 1)
    assert HELLO in asked(book)  # it was asked for before
    said(book, "greeting", 500) >> wait(2) << ...
    assert TOLD in asked(book)
    interrupted(said(book, "told_2", 4000) >> wait(1) << ..., 2) >> wait(2) << ...
    assert TOLD in asked(book)
    assert book.call.recording.asking
    said(book, "told_3", 1000) >> wait(1.2) << ...
    assert book.call.recording.state == "on"


def test_after_a_few_times_the_call_goes_on_and_is_not_recorded() -> None:
    book = recorded()
    recording: CallRecording = book.call.recording
    recording._tries = limits.recordings.CONSENT_TRIES_MAX  # told as often as it may be
    interrupted(told(book, ms=4000) >> wait(1) << ..., 1)
    said(book, "greeting", 500)
    refused: list[object] = []
    for _ in range(60):
        book >> wait(0.5)
        refused += [out for out in book._left if isinstance(out, events.RecordingRefused)]
        book << ...
    assert refused == [events.RecordingRefused("not_heard")]
    assert not recording.asking
    assert recording.state == ""


def test_protect_greeting_ms_protects_what_the_caller_is_told_too() -> None:
    book = recorded(barge_in={"protect_greeting_ms": 100})
    told(book, ms=4000) >> wait(2) << ...
    book >> speech_started(2000) << note(events.BargeInIgnored, reason="greeting") << ...


def test_a_pause_is_an_entry_on_the_time_line_and_an_event() -> None:
    book = told(recorded()) >> wait(1.2) << ...
    book.call.line.tap.take()
    (
        book
        >> inputs.RecordingPauseRequested(True, "operator")
        << note(events.RecordingPaused, by="operator")
        << ...
    )
    assert book.call.recording.state == "paused"
    book >> inputs.RecordingPauseRequested(True, "secret") << ...
    book >> inputs.RecordingPauseRequested(False, "operator") << ...
    assert book.call.recording.paused  # the other one's pause lasts
    (
        book
        >> inputs.RecordingPauseRequested(False, "secret")
        << note(events.RecordingResumed, by="secret")
        << ...
    )
    assert kinds(book) == [line.PAUSED, line.RESUMED]


def test_the_pause_of_a_secret_ends_with_its_stream_and_no_other_does() -> None:
    for by, state in (("secret", "on"), ("tool", "paused")):
        book = told(recorded()) >> wait(1.2) << ...
        book.call.recording.pause("secret")
        book.call.recording.pause(by)
        assert book.call.recording.paused
        assert book.call.snapshot().recording == state


def test_a_caller_who_was_told_on_an_earlier_stream_is_not_told_again() -> None:
    for state, entries in (("on", [line.KEEP]), ("paused", [line.KEEP, line.PAUSED])):
        before = told(recorded()) >> wait(1.2) << ...
        snapshot = before.call.snapshot()
        assert snapshot.recording == "on"
        snapshot.recording = state
        book = Book(greeting=HELLO, recording=RECORDING)
        book.call.resume(snapshot)
        book >> start() << note(events.CallerConnected) << note(events.RecordingStarted) << ...
        assert kinds(book) == entries
        assert book.call.recording.state == state


def test_the_key_of_a_caller_is_silenced_where_the_agent_wants_it() -> None:
    for agent, entries in (
        ({"recording": RECORDING | {"keys": "silence"}}, [line.KEY]),
        ({"keypad": {"secret": True}}, [line.KEY]),
        ({"privacy": "pci"}, [line.KEY]),
        ({}, []),
    ):
        book = told(recorded(**agent)) >> wait(1.2) << ...
        book.call.line.tap.take()
        book >> key("4") << ...
        assert kinds(book) == entries


def test_an_agent_that_records_none_stops_the_recording_for_good() -> None:
    """The strictest of all agents that took part holds, whoever leads the call afterwards."""
    book = told(recorded()) >> wait(1.2) << ...
    book.call.line.tap.take()
    first, recording = book.call.agent, book.call.recording
    pci = an_agent(name="billing", privacy="pci", record=first.record, redact=first.redact)
    book.call.ctx.change_agent(pci, server_answers=True)
    assert kinds(book) == [line.PAUSED]
    book >> inputs.RecordingPauseRequested(False, "operator") << ...
    book.call.ctx.change_agent(first, server_answers=True)
    book >> inputs.RecordingPauseRequested(False, "tool") << ...
    assert recording.paused
    assert book.call.snapshot().recording == "stopped"
    book >> key("4") << ...
    assert kinds(book) == [line.KEY], "pci keeps no tones, and nothing resumes"
    after = Book(greeting=HELLO, recording=RECORDING)
    after.call.resume(book.call.snapshot())
    after >> inputs.RecordingPauseRequested(False, "operator") << ...
    assert after.call.recording.paused


def test_an_agent_that_records_too_goes_on_recording() -> None:
    book = told(recorded()) >> wait(1.2) << ...
    book.call.line.tap.take()
    other = an_agent(name="billing", recording={"consent": "As before."})
    book.call.ctx.change_agent(other, server_answers=True)
    assert kinds(book) == []
    assert book.call.recording.state == "on"


MACHINE = {
    "outbound": {"from": "+14155550100", "machine": "leave_message", "message": "Call us back."}
}


def test_an_answering_machine_is_not_told_again_and_not_recorded() -> None:
    book = recorded(**MACHINE) >> response_created("told") << ...
    book >> audio_delta("item_told", ms=300, response_id="told") << ...
    book >> inputs.MachineDetectionFinished("machine")
    assert events.RecordingRefused("machine") in book._left
    book << ... >> response_done("told", "cancelled") << ...
    assert "Call us back." in asked(book)
    book >> wait(3 * limits.recordings.CONSENT_LOOK_S) << ...
    assert TOLD not in asked(book)
    assert line.KEEP not in kinds(book)
    assert book.call.recording.state == ""


def test_a_message_is_not_recorded_where_the_machine_had_been_told() -> None:
    book = told(recorded(**MACHINE)) >> wait(1.2) << ...
    assert kinds(book) == [line.KEEP]
    book >> inputs.MachineDetectionFinished("machine") << note(events.AnswererDetected) << ...
    assert kinds(book) == [line.PAUSED]
    assert book.call.recording.paused


def test_a_call_that_was_not_recorded_is_not_when_an_agent_follows_that_records() -> None:
    """Nor in another process, which knows the next agent alone."""
    before = Book(greeting=HELLO) >> start() << ...
    recording = an_agent(name="billing", recording=RECORDING)
    before.call.ctx.change_agent(recording, server_answers=True)
    snapshot = before.call.snapshot()
    assert snapshot.recording == "off"
    book = Book(greeting=HELLO, recording=RECORDING)
    book.call.resume(snapshot)
    book >> session_created() << ... >> session_updated(book.agent) << ... >> start() << ...
    assert not book.call.recording.wanted
    assert not [event for event in book.said if TOLD in str(event)]
    assert kinds(book) == []
    assert book.call.snapshot().recording == "off"
