"""Pictures and texts of the caller: part of the conversation, answered like a sentence."""

from __future__ import annotations

import json

import pytest
from call.play import (
    Book,
    answered,
    asks_for_an_answer,
    note,
    nothing,
    tells_the_model,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    error,
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
from gateway.call import events, inputs
from gateway.call.dialogue.prompts import CAMERA, CAMERA_WAS_SHOWN, PICTURE, PICTURE_WAS_SENT
from gateway.call.endings import Ending
from gateway.call.state_machines import LinkState

ONE, TWO = "data:image/jpeg;base64,AQ==", "data:image/jpeg;base64,Ag=="
PHOTO = inputs.CallerMessageReceived("message", (ONE,))
FRAME = inputs.CameraFrameReceived(ONE)


def shown(source: str = "message") -> object:
    return note(events.PictureSent, source=source, outcome="shown")


def items(book: Book) -> list[dict[str, object]]:
    return [one["item"] for one in book.said if one["type"] == "conversation.item.create"]


def test_a_photo_is_an_item_and_is_answered() -> None:
    book = answered() >> PHOTO << tells_the_model(PICTURE["message"]) << shown()
    book << asks_for_an_answer << nothing
    (item,) = items(book)
    assert item["role"] == "user"
    assert item["content"][1] == {"type": "input_image", "image_url": ONE}  # type: ignore[index]


def test_several_photos_and_words_are_answered_once() -> None:
    sent = inputs.CallerMessageReceived(
        "message", (ONE, TWO), "the left one", ("it is a PDF document",)
    )
    (
        answered()
        >> sent
        << tells_the_model(ONE)
        << shown()
        << nothing
        >> wait(limits.call.PICTURE_EVERY_S)
        << tells_the_model(TWO)
        << shown()
        << tells_the_model('wrote this in a text message, during the call: "the left one"')
        << note(events.TranscriptLine, who="caller", text="the left one")
        << tells_the_model("nobody can see: it is a PDF document. Tell them")
        << asks_for_an_answer
        << nothing
    )


def test_a_photo_between_the_caller_s_words_and_their_answer_gets_one_of_its_own() -> None:
    book = answered() >> speech_started() << nothing >> speech_stopped() << nothing
    book = book >> PHOTO << nothing >> response_created() << tells_the_model(ONE) << shown()
    book << nothing >> response_done() << asks_for_an_answer << nothing


def test_a_photo_waits_until_the_caller_has_finished_and_goes_with_the_answer() -> None:
    (
        answered()
        >> speech_started()
        << nothing
        >> PHOTO
        << tells_the_model(PICTURE["message"])
        << shown()
        >> speech_stopped()
        << nothing
        >> response_created()
        << nothing
        >> response_done()
        << nothing
    )


def test_a_photo_before_the_model_is_ready_is_seen_after_the_greeting() -> None:
    book = Book(greeting="Hello.") >> PHOTO << nothing >> session_created() << ...
    book = book >> session_updated(book.agent) << ... >> start() << ...
    assert items(book) == []
    book = book >> book.next_frame() << ...
    assert items(book) == [], "one that is asked for already would leave it out"
    book = book >> response_created() << tells_the_model(PICTURE["message"]) << shown() << nothing
    book >> response_done() << asks_for_an_answer << nothing


def test_a_server_that_is_dead_when_something_is_shown_is_missed_in_time() -> None:
    """Though what it said before still sounds."""
    book = answered() >> response_created() << ... >> audio_delta(ms=2500) << ...
    book = book >> audio_done() << ... >> response_done() << ...
    book.heard_marks, book.lively = True, False
    book >> inputs.CallerMessageReceived("message", (), "B as in Bravo.") << ...
    book >> wait(limits.model.SERVER_SILENCE_MAX_S + 0.01) << ...
    assert book.call.link is LinkState.CONNECTING


def test_no_more_than_so_many_wait() -> None:
    book = Book()
    for _ in range(limits.call.PICTURES_WAITING_MAX):
        book = book >> PHOTO << nothing
    book >> PHOTO << note(events.PictureSent, source="message", outcome="too_late") << nothing


def test_the_model_has_one_frame_of_the_camera_and_speaks_once() -> None:
    book = answered() >> FRAME << tells_the_model(CAMERA) << shown("camera")
    book << asks_for_an_answer << nothing
    book = book >> response_created() << nothing >> response_done() << nothing
    first = items(book)[0]["id"]
    for _ in range(3):
        book >> wait(1) << nothing >> FRAME << tells_the_model(CAMERA) << ...
    deleted = [one["item_id"] for one in book.said if one["type"] == "conversation.item.delete"]
    frames = [item["id"] for item in items(book)]
    assert deleted == frames[:-1]
    assert first == deleted[0]
    assert sum(one["type"] == "response.create" for one in book.said) == 1


def test_another_showing_is_answered_again() -> None:
    book = answered() >> FRAME << ... >> response_created() << ... >> response_done() << ...
    book = book >> wait(limits.call.CAMERA_PAUSE_S + 1) << ... >> FRAME << ...
    assert sum(one["type"] == "response.create" for one in book.said) == 2


def test_while_the_model_is_away_the_newest_frame_waits_and_photos_are_kept() -> None:
    book = answered() >> FRAME << ... >> response_created() << ... >> response_done() << ...
    book = book >> inputs.ModelLost("closed_1006") << ...
    book = book >> FRAME << nothing >> PHOTO << nothing
    newer = inputs.CameraFrameReceived(TWO)
    book = book >> newer << note(events.PictureSent, source="camera", outcome="replaced") << nothing
    before = len(book.said)
    book = book >> session_created() << ... >> session_updated(book.agent) << ...
    said = json.dumps(book.said[before:])
    assert CAMERA_WAS_SHOWN in said
    assert TWO in said
    assert PICTURE["message"] in said
    assert "conversation.item.delete" not in said, "the new session never had the old frame"


def test_a_new_session_is_told_that_there_was_a_picture() -> None:
    book = answered() >> PHOTO << ... >> response_created() << ... >> response_done() << ...
    book = book >> inputs.ModelLost("closed_1006") << ...
    before = len(book.said)
    book = book >> session_created() << ... >> session_updated(book.agent) << ...
    assert PICTURE_WAS_SENT in json.dumps(book.said[before:])


def test_a_frame_that_the_server_has_dropped_already_does_no_harm() -> None:
    book = answered() >> FRAME << ... >> response_created() << ... >> response_done() << ...
    book = book >> FRAME << ... >> error("item_delete_invalid_item_id") << ...
    book >> PHOTO << tells_the_model(PICTURE["message"]) << shown() << asks_for_an_answer


@pytest.mark.parametrize("sent", [PHOTO, FRAME])
def test_what_comes_too_late_is_said(sent: object) -> None:
    book = answered() >> inputs.HangUpRequested(Ending.OPERATOR_HUNG_UP) << ...
    assert not book.call.takes_pictures
    book >> sent << nothing
    early = Book() >> sent << nothing >> inputs.HangUpRequested(Ending.OPERATOR_HUNG_UP)
    early << note(events.PictureSent, outcome="too_late") << do.CloseModel() << ...
