"""The model's link is lost in mid-call, and had again: what the caller notices, what is known."""

from __future__ import annotations

from typing import Any

import pytest
from call.play import (
    Book,
    all_marks,
    answered,
    appends,
    asks,
    clears,
    configures,
    deletes,
    ends,
    last_mark,
    next_frame,
    note,
    nothing,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    caller_said,
    committed,
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
from gateway.call.context import WallClock
from gateway.call.endings import Ending
from gateway.call.inputs import ModelLost, NextSessionEvent, PeerFaultSeen
from gateway.protocols import realtime_server

GONE = ModelLost("closed_1006")
PATIENT = {"nudge_after_s": 599.0, "end_after_s": 600.0}


def told(book: Book) -> list[str]:
    """What the last session was told of the conversation, in order."""
    book << ...
    begins = max(i for i, e in enumerate(book.said) if e["type"] == "session.update")
    made = [e["item"] for e in book.said[begins:] if e["type"] == "conversation.item.create"]
    return [_line(item) for item in made]


def _line(item: dict[str, Any]) -> str:
    if item["type"] != "message":
        return f"{item['type']} {item.get('name') or item.get('output')}"
    return f"{item['role']}: {item['content'][0]['text']}"


def back(book: Book) -> Book:
    return book >> session_created() << ... >> session_updated(book.agent)


def conversation() -> Book:
    """One exchange has been: both sides are known as text."""
    book = answered() >> speech_started(0) >> speech_stopped(900) >> committed() << ...
    book >> caller_said("turn_1", "My word is heron.") << ... >> response_created() << ...
    book >> audio_delta(ms=400) << ... >> model_says("item_1", "Heron, I see.") << ...
    book >> audio_done() << ... >> response_done() << ... >> wait(0.4) << ...
    return book >> all_marks << ...


def test_a_new_session_is_opened_at_once_and_told_what_was_said() -> None:
    book = conversation() >> GONE
    book << note(events.ModelDisconnected, reason="closed_1006") << do.OpenModel(0.0) << nothing
    book >> wait(0.2) << nothing >> session_created() << configures >> session_updated(book.agent)
    book << note(events.ModelReconnected, cause="lost", seconds=0.2)
    lines = told(book)
    assert lines[0].startswith("system: What follows was said earlier")
    assert lines[1:] == ["user: My word is heron.", "assistant: Heron, I see."]
    assert book.said[-1]["type"] == "conversation.item.create", "nobody waits for an answer"


def test_what_the_caller_says_meanwhile_is_held_and_sent() -> None:
    book = conversation()
    book >> GONE << ...
    for _ in range(10):
        book >> next_frame << nothing
    before = book.appended_ms
    back(book) << ...
    # And the last sound before it, of which the old session may not have taken notice.
    assert book.appended_ms - before >= 200
    book >> next_frame << appends(20)


def test_a_turn_that_was_not_understood_is_said_again() -> None:
    """The caller has just asked; the words are not written down; the answer has not begun."""
    book = answered() >> wait(2.0) << ...
    before = book.appended_ms
    book >> speech_started(1000) << ... >> wait(1.0) << ... >> speech_stopped(2800) << ...
    book >> committed() << ... >> response_created() << ... >> GONE << ...
    spoken_ms = book.appended_ms - before
    heard = book.appended_ms
    back(book)
    sound = [out for out in book.outs() if isinstance(out, do.SendToModel)]
    again_ms = max(len(out.data) for out in sound) * 3 / 4 / 48
    assert again_ms == pytest.approx(heard - 1000, abs=120)
    assert again_ms > spoken_ms
    assert "response.create" not in [e["type"] for e in book.said[-4:]], "they will be heard again"


def test_an_answer_that_broke_off_goes_on_where_it_was_cut() -> None:
    book = answered(greeting=None) >> response_created() << ...
    book >> audio_delta(ms=400) << ... >> model_says("item_1", "Our opening hours are") << ...
    book >> GONE << ... >> wait(0.1) << ...
    back(book) << note(events.ModelReconnected)
    assert told(book)[-1] == "assistant: Our opening hours are"
    asked = book.said[-1]
    assert asked["type"] == "response.create"
    assert '"Our opening hours are" Go on from precisely there' in asked["response"]["instructions"]


def test_an_answer_that_had_not_begun_is_asked_for_again() -> None:
    book = answered(greeting="Hello.") << ... >> GONE << ...
    back(book) << note(events.ModelReconnected) << appends(20) << asks("Hello.") << nothing


def test_sound_that_was_received_is_played_to_its_end() -> None:
    book = answered(lead_ms=200) >> response_created() << ... >> audio_delta(ms=995) << ...
    sent = book.umpire.sent_ms
    book >> GONE << ... >> wait(1.0) << ...
    assert sent < 400
    assert book.umpire.sent_ms == 1000


def test_the_answer_of_an_earlier_session_is_not_truncated_but_said_anew() -> None:
    book = answered(lead_ms=1000) >> response_created() << ... >> audio_delta(ms=1000) << ...
    book >> model_says("item_1", "one two three four five six seven eight nine ten") << ...
    book >> audio_done() << ... >> response_done() << ... >> wait(0.1) << ... >> GONE << ...
    back(book) << ...
    book >> wait(0.4) << ... >> speech_started(500)
    book << clears << deletes("history_1")
    again = book.outs()
    assert book.said[-1]["previous_item_id"] == "root"
    assert book.said[-1]["item"]["content"][0]["text"] == "one two three four five"
    assert any(isinstance(out, events.BargedIn) for out in again)


def test_what_the_caller_did_not_hear_is_not_told() -> None:
    book = answered() >> response_created() << ... >> audio_delta(ms=1000) << ...
    book >> model_says("item_1", "one two three four five six seven eight nine ten") << ...
    book >> wait(0.3) << ... >> speech_started(300) << ... >> speech_stopped(800) << ...
    book >> GONE << ...
    back(book)
    assert told(book)[1:] == ["assistant: one two three"]


def test_a_tool_call_stands_where_it_was_made() -> None:
    book = answered() >> response_created() << ...
    book >> response_done(calls=(("nonsense", "call_1"),)) << ... >> GONE << ...
    back(book)
    assert told(book)[1:] == [
        "function_call nonsense",
        "function_call_output There is no such tool. Go on without it.",
    ]


def test_it_is_tried_again_with_growing_pauses_and_given_up() -> None:
    book = answered() << ...
    for pause_s in limits.model.MODEL_PAUSES_S:
        book >> GONE
        if pause_s == limits.model.MODEL_PAUSES_S[0]:
            book << note(events.ModelDisconnected)
        book << do.OpenModel(pause_s) << nothing
    book >> GONE << ends(Ending.MODEL_LOST, "closed_1006") << nothing


def test_a_session_that_does_not_last_is_no_success() -> None:
    book = answered() << ...
    for _ in limits.model.MODEL_PAUSES_S:
        back(book >> GONE << ...) << ...
    book >> GONE << ends(Ending.MODEL_LOST, "closed_1006") << nothing


def test_one_that_lasted_begins_a_new_count() -> None:
    book = answered(idle={"nudge_after_s": 500, "end_after_s": 600}) << ...
    for _ in range(3 * len(limits.model.MODEL_PAUSES_S)):
        back(book >> GONE << ...) << ... >> wait(11.0) << ...
    assert book.call.ending is None


def test_a_fatal_reason_is_not_tried_again() -> None:
    refused = ModelLost("http_401", refused=True)
    book = answered() >> refused << ends(Ending.MODEL_REFUSED, "http_401") << nothing
    assert book.call.ending is Ending.MODEL_REFUSED


def test_a_server_that_says_nothing_is_left() -> None:
    book = answered() << ...
    book.lively = False
    book >> speech_started(0) << ... >> speech_stopped(500) << ... >> committed() << ...
    book >> wait(limits.model.SERVER_SILENCE_MAX_S - 0.01) << nothing
    (
        book
        >> wait(0.02)
        << note(events.ModelDisconnected, reason="silent")
        << do.OpenModel(0.0)
        << nothing
    )


def test_a_server_that_thinks_is_given_more_time() -> None:
    book = answered() << ... >> response_created() << ...
    book.lively = False
    book >> wait(limits.model.SERVER_THINKS_MAX_S - 0.01) << nothing
    book >> wait(0.02) << note(events.ModelDisconnected, reason="silent") << ...


def test_a_server_that_says_nothing_after_the_sound_is_left() -> None:
    """The end of the response is missing, and perhaps all that would follow."""
    book = answered() >> response_created() << ... >> audio_delta(ms=400) << ...
    book.lively = False
    book >> audio_done() << ... >> wait(0.4) << ... >> all_marks << ...
    book >> wait(limits.model.SERVER_SILENCE_MAX_S - 0.41) << nothing
    book >> wait(0.42) << note(events.ModelDisconnected, reason="silent") << do.OpenModel(0.0)


def test_a_goodbye_that_had_not_begun_is_said_by_the_next_session() -> None:
    book = answered() >> response_created() << ...
    book >> response_done(calls=(("end_call", "call_1"),)) << ... >> GONE << ...
    back(book) << note(events.ModelReconnected)
    assert told(book) == [], "a session may wait for an output that is missing"
    assert "goodbye" in book.said[-1]["response"]["instructions"]
    book >> response_created("resp_2") << ... >> audio_delta("item_2", ms=200) << ...
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") << ...
    book >> last_mark << ends(Ending.AGENT_HUNG_UP) << nothing


# --- The hour ---


def rolling(**changes: Any) -> Book:
    book = Book(idle={"nudge_after_s": 500, "end_after_s": 600}, **changes)
    book.call.ctx.wall_clock = WallClock(1_000_000.0)
    expires_at = int(1_000_000 + book.now + 90)
    book >> session_created() << ... >> session_updated(book.agent, expires_at=expires_at) << ...
    return book >> start() << ... >> next_frame << ...


def test_before_the_hour_is_up_the_next_session_is_opened_beside() -> None:
    book = (
        rolling()
        >> wait(59)
        << nothing
        >> wait(1.5)
        << do.OpenNextSession(DEFAULT_MODEL)
        << nothing
    )
    book >> NextSessionEvent(session_created())
    assert [type(out) for out in book.outs()] == [do.SendToNextSession]
    book >> NextSessionEvent(session_updated(book.agent))
    outs = book.outs()
    assert do.SwitchToNextSession() in outs
    assert any(isinstance(o, events.ModelReconnected) and o.cause == "hour" for o in outs)


@pytest.mark.parametrize(("left_s", "at_once"), [(1, True), (0, False), (-1, False)])
def test_a_session_that_ends_now_is_believed_and_one_that_has_ended_is_not(
    left_s: int, at_once: bool
) -> None:
    """The clocks of two machines differ, but not by so much that a session is over before."""
    book = Book(idle={"nudge_after_s": 500, "end_after_s": 600})
    book.call.ctx.wall_clock = WallClock(1_000_000.5 - book.now)
    expires_at = 1_000_000 + left_s
    book >> session_created() << ... >> session_updated(book.agent, expires_at=expires_at)
    outs = book.outs()
    book >> start()
    outs += book.outs()
    book >> wait(2)
    outs += book.outs()
    assert (do.OpenNextSession(DEFAULT_MODEL) in outs) == at_once


def test_nobody_is_cut_short_for_it() -> None:
    book = rolling() >> wait(61) << ... >> response_created() << ... >> audio_delta(ms=500) << ...
    (
        book
        >> NextSessionEvent(session_created())
        << ...
        >> NextSessionEvent(session_updated(book.agent))
        << nothing
    )
    book >> audio_done() << ... >> response_done() << nothing
    book >> wait(0.5) << ... >> last_mark
    assert do.SwitchToNextSession() in book.outs()


def test_if_no_moment_is_quiet_it_happens_anyway() -> None:
    book = rolling() >> wait(61) << ... >> speech_started(60_000) << ...
    (
        book
        >> NextSessionEvent(session_created())
        << ...
        >> NextSessionEvent(session_updated(book.agent))
        << nothing
    )
    book >> wait(25) << ...
    assert any(e["type"] for e in book.said)
    assert book.call.ending is None


@pytest.mark.parametrize(
    "sign",
    [
        realtime_server.Ignored("response.function_call_arguments.delta"),
        PeerFaultSeen("model", "unknown_event"),
    ],
)
def test_a_server_that_says_anything_at_all_is_not_silent(sign: object) -> None:
    """It spoke a preamble, and now writes the arguments of a function, which is nothing to us."""
    book = answered()
    book.lively, book.heard_marks = False, True
    book >> response_created() >> audio_delta(ms=200) << ... >> audio_done() << ...
    for _ in range(round(3 * limits.model.SERVER_SILENCE_MAX_S)):
        book >> wait(limits.model.SERVER_SILENCE_MAX_S / 2) << ... >> sign << ...
    assert book.call.link == "ready"


def test_a_turn_that_nobody_could_transcribe_is_understood_all_the_same() -> None:
    """The model has heard it, and has answered: it is not said again to the next session."""
    book = answered(transcription={"model": "gpt-transcribe"}, idle=PATIENT)
    book.heard_marks = True
    book >> speech_started(0) >> wait(2) >> speech_stopped(1900) >> committed() << nothing
    book >> response_created() >> audio_delta(ms=400) << ...
    book >> audio_done() >> response_done() << nothing
    book >> realtime_server.CallerTranscriptFailed(item_id="turn_1")
    book << note(events.ModelErrorReported, fault="benign") << nothing >> wait(2) << ...
    book >> GONE << ... >> session_created() << ...
    (
        book
        >> session_updated(book.call.agent)
        << ...
        >> wait(limits.model.RESPONSE_START_MAX_S + 1)
        << nothing
    )
