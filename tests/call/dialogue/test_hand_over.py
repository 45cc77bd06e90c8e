"""A call that goes on in another process leaves in a quiet moment, or in the end anyway."""

from __future__ import annotations

from call.play import Book, answered, ends, nothing, wait
from call.vendor_events import (
    audio_delta,
    audio_done,
    caller_said,
    committed,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.call import commands as do
from gateway.call.endings import Ending
from gateway.call.inputs import HandOverRequested
from gateway.call.snapshot import CallSnapshot, decode, encode


def kept(book: Book) -> CallSnapshot:
    """As it comes out of the store elsewhere."""
    return decode(encode(book.call.snapshot()))


# --- When it leaves ---


def test_it_leaves_when_all_that_was_said_is_known() -> None:
    book = answered() >> speech_started(0) >> speech_stopped(900) >> committed() << ...
    book >> response_created() << ... >> audio_delta(ms=100) << ... >> audio_done() << ...
    book >> response_done() << ... >> wait(0.2) << ... >> HandOverRequested()
    assert do.ReleaseCall() not in book.outs(), "the words of the turn are not known yet"
    book >> caller_said("turn_1", "My word is heron.")
    assert do.ReleaseCall() in book.outs()
    assert any("heron" in item.text for item in kept(book).history)


def test_all_that_the_caller_says_from_then_on_is_kept_for_the_next_process() -> None:
    book = answered() >> wait(0.2) << ... >> HandOverRequested()
    assert do.ReleaseCall() in book.outs()
    book >> wait(2.5) << ...
    kept_ms = len(book.call.line.retained_since(0)) / 8  # mu-law
    assert kept_ms > limits.call.RETAINED_AUDIO_MS


def test_or_when_it_has_waited_for_long_enough() -> None:
    book = answered() >> speech_started(0) << ... >> HandOverRequested() << nothing
    book >> wait(limits.model.HAND_OVER_QUIET_MAX_S - 0.1)
    assert do.ReleaseCall() not in book.outs()
    book >> wait(0.2)
    assert do.ReleaseCall() in book.outs()


def test_its_stream_ends_here_and_nobody_has_hung_up_or_was_transferred() -> None:
    book = answered() >> wait(0.2) << ... >> HandOverRequested() << ...
    book >> speech_started(0) << ...
    assert book.call.phase == "transferring", "what the caller says is for the next process"
    book >> stop() << ends(Ending.DRAINED) << nothing
