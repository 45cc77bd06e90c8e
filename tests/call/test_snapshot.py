"""A call goes on in another process: what is known there, and what its session is told."""

from __future__ import annotations

from call.play import Book, answered, appends, asks, asks_for_an_answer, next_frame, nothing
from call.session.test_reconnect import GONE, back, conversation, told
from call.tools.test_function_calls import agent_with, calling, finished
from call.vendor_events import (
    audio_delta,
    caller_said,
    committed,
    model_says,
    response_created,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
)
from gateway.call.dialogue import prompts
from gateway.call.inputs import HistoryRestored, ShowImageRequested
from gateway.call.snapshot import CallSnapshot, decode, encode
from gateway.protocols.realtime_server import TranscriptDone


def kept(book: Book) -> CallSnapshot:
    """As it comes out of the store elsewhere."""
    return decode(encode(book.call.snapshot()))


def resumed(state: CallSnapshot, **agent: object) -> Book:
    book = Book(**agent)
    book.call.resume(state)
    return book >> session_created() << ... >> session_updated(book.agent)


def told_since(book: Book, before: int) -> list[dict[str, object]]:
    book << ...
    return book.said[before:]


def test_the_state_is_all_that_another_process_needs() -> None:
    book = conversation()
    state = decode(encode(book.call.snapshot()))
    assert (state.greeted, state.arrived, state.last_words) == (True, True, "")
    other = Book()
    other.call.resume(state)
    other >> session_created() << ... >> session_updated(other.agent)
    assert told(other)[1:] == ["user: My word is heron.", "assistant: Heron, I see."]
    other >> start() << ... >> next_frame
    assert "cut off for a second" in str(other.said[-1])
    other << ...


def test_silently_the_answer_that_the_caller_waits_for_is_given() -> None:
    book = answered() >> speech_started(0) >> speech_stopped(900) >> committed() << ...
    book >> caller_said("turn_1", "Where are you?") << ...
    state = book.call.snapshot()
    state.silently = True
    other = Book()
    other.call.resume(state)
    other >> session_created() << ... >> session_updated(other.agent) << ...
    other >> start() << ... >> next_frame
    other << appends(20) << asks_for_an_answer << nothing


def silently(book: Book) -> Book:
    """The call goes on in another process, and the caller is to notice nothing."""
    state = kept(book)
    state.silently = True
    return resumed(state) << ... >> start() << ... >> next_frame << appends(20)


def test_silently_an_answer_that_broke_off_goes_on_where_it_was_cut() -> None:
    book = conversation() >> response_created("resp_2") << ...
    book >> audio_delta("item_2", ms=400, response_id="resp_2") << ...
    book >> model_says("item_2", "Our opening hours are", "resp_2") << ...
    other = silently(book)
    other << asks('"Our opening hours are" Go on from precisely there') << nothing


def test_silently_nothing_is_said_behind_an_answer_that_was_complete() -> None:
    book = conversation() >> TranscriptDone(
        response_id="resp_1", item_id="item_1", transcript="Heron, I see."
    )
    silently(book << ...) << nothing


def test_silently_what_a_function_said_is_passed_on() -> None:
    book = calling(agent_with(), ("hours", "call_1")) >> finished("call_1") << ...
    silently(book) << asks_for_an_answer << nothing


def test_a_picture_is_remembered_as_one_that_was_seen() -> None:
    book = conversation() >> ShowImageRequested("data:image/png;base64,AAAA", "a passport") << ...
    other = resumed(kept(book))
    assert told(other)[-1].startswith("system: Here the caller showed a picture (a passport).")
    assert "base64" not in str(book.call.history.items)


# --- What was being done for the caller ---


def test_a_function_that_was_out_is_answered_in_words() -> None:
    """No session is told of a call without its output: it might wait for it for ever."""
    book = calling(agent_with(), ("hours", "call_1"))
    other = resumed(kept(book))
    assert told(other)[1:] == [
        "function_call hours",
        f"function_call_output {prompts.NOT_KNOWN}",
    ]
    book << ...


def test_an_output_that_comes_for_the_next_session_brings_its_call_along() -> None:
    book = calling(agent_with(), ("hours", "call_1")) >> GONE << ...
    back(book)
    assert told(book) == []
    before = len(book.said)
    book >> finished("call_1")
    items = [e["item"] for e in told_since(book, before) if "item" in e]
    assert [item["type"] for item in items] == ["function_call", "function_call_output"]
    assert [item["call_id"] for item in items] == ["call_1", "call_1"]
    assert book.said[-1]["type"] == "response.create"


def test_the_session_that_made_the_call_is_given_the_output_alone() -> None:
    book = calling(agent_with(), ("hours", "call_1"))
    before = len(book.said)
    book >> finished("call_1")
    assert "function_call" not in [e["item"]["type"] for e in told_since(book, before)[:1]]


# --- What was still on its way when the state was read ---


def test_what_was_written_down_last_is_told_when_the_caller_is_back() -> None:
    """The words of the last turn came after the other process had asked what was said."""
    book = answered() >> speech_started(0) >> speech_stopped(900) >> committed() << ...
    book >> response_created() << ... >> audio_delta(ms=400) << ...
    book >> model_says("item_1", "I have noted") << ...
    early = kept(book)
    (
        book
        >> caller_said("turn_1", "My word is heron.")
        << ...
        >> model_says("item_1", " that.")
        << ...
    )
    other = resumed(early)
    assert told(other)[1:] == ["assistant: I have noted"]
    before = len(other.said)
    other >> HistoryRestored(kept(book).history)
    events = told_since(other, before)
    assert [(e["type"], e.get("previous_item_id")) for e in events] == [
        ("conversation.item.create", "root"),
        ("conversation.item.delete", None),
        ("conversation.item.create", "history_1"),
    ]
    assert [e["item"]["content"][0]["text"] for e in events if "item" in e] == [
        "My word is heron.",
        "I have noted that.",
    ]


def test_nothing_is_said_twice() -> None:
    state = kept(conversation())
    other = resumed(state)
    other << ...
    other >> HistoryRestored(kept(conversation()).history) << nothing


def test_of_two_states_the_one_with_more_streams_is_the_newer() -> None:
    first = kept(answered() << ...)
    second = kept(resumed(first) << ... >> start() << ...)
    assert (first.streams, second.streams) == (1, 2)
