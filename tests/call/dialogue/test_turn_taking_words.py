"""Words of the model: what is remembered of them, and what is published."""

from __future__ import annotations

from call.play import Book, answered, note, nothing, to_caller
from call.vendor_events import audio_delta, response_created

from gateway.call import events
from gateway.protocols.realtime_server import TranscriptDelta, TranscriptDone


def words(book: Book) -> list[str]:
    return [memo.text for memo in book.call.snapshot().history if memo.kind == "model"]


def test_the_whole_text_stands_in_place_of_its_pieces() -> None:
    book = answered() >> response_created() >> audio_delta(ms=200) << to_caller(200)
    for piece in ("We are op", "en until"):
        delta = TranscriptDelta(response_id="resp_1", item_id="item_1", delta=piece)
        book >> delta << nothing
    assert words(book) == ["We are open until"]
    whole = "We are open until five."
    book >> TranscriptDone(response_id="resp_1", item_id="item_1", transcript=whole)
    book << note(events.TranscriptLine, who="model", text=whole, item_id="item_1") << nothing
    assert words(book) == [whole]
