"""The order in which a call decides, and who handles what."""

from __future__ import annotations

import pytest

from call.play import Book
from call.sideband import SipBook
from gateway.call.part import overriding
from gateway.call.timers import Timer

SETTLES = [
    "OpeningItems",
    "CallDecision",
    "Greeting",
    "CallScreening",
    "MachineDetection",
    "HostedMcp",
    "SecretInput",
    "AgentChange",
    "ImageInput",
    "Floor",
    "ResponseControl",
    "IdleWatch",
    "Goodbye",
    "HandOver",
]


def names(parts: object) -> list[str]:
    return [type(part).__name__ for part in parts]  # type: ignore[attr-defined]


def test_the_order_of_settling_is_the_products_policy() -> None:
    media = names(overriding(Book().call.parts, "settle"))
    assert media == [*SETTLES, "ModelSession", "Approvals", "MediaLine"]
    # A sideband and its line have nothing to do that waits for quiet.
    assert names(overriding(SipBook().call.parts, "settle")) == [*SETTLES, "Approvals"]


def test_each_timer_has_one_part_that_handles_it() -> None:
    for book in (Book(), SipBook()):
        handled = [timer for part in book.call.parts for timer in part.timers]
        assert len(handled) == len(set(handled))
    # The machine itself ends a call to which nobody comes; a picture's pause only lets it settle;
    # what a server plays is of the SIP path.
    assert set(Timer) - set(handled_by(Book())) == {
        Timer.ARRIVAL,
        Timer.PICTURE,
        Timer.PLAYBACK,
    }


def handled_by(book: Book) -> list[Timer]:
    return [timer for part in book.call.parts for timer in part.timers]


def test_where_two_parts_handle_one_event_the_line_is_first() -> None:
    """Only by SIP: the line has to know that a response is over before the turns go on."""
    for book, shared in (
        (Book(), {"CallerTranscriptDone"}),
        (SipBook(), {"ResponseDone", "SpeechStopped", "TranscriptDelta", "CallerTranscriptDone"}),
    ):
        kinds: dict[type, list[str]] = {}
        for part in book.call.parts:
            for kind in part.handlers:
                kinds.setdefault(kind, []).append(type(part).__name__)
        twice = {kind.__name__: parts for kind, parts in kinds.items() if len(parts) > 1}
        assert set(twice) == shared
        # Screening only takes the words down; it acts when the parts settle.
        assert twice.pop("CallerTranscriptDone") == ["CallScreening", "TurnTaking"]
        assert all(parts == ["SipLine", "TurnTaking"] for parts in twice.values())


def test_no_part_is_the_subclass_of_another() -> None:
    for book in (Book(), SipBook()):
        for part in book.call.parts:
            assert [base.__name__ for base in type(part).__mro__[1:]] == ["CallPart", "object"]


@pytest.mark.parametrize("book", [Book, SipBook])
def test_a_call_that_is_over_holds_no_part_of_itself(book: type[Book]) -> None:
    """Else only a full garbage collection would free it; `test_leaks.py` looks for all of it."""
    call = book().call
    assert any(part.handlers and part.timers for part in call.parts)
    call.release()
    assert not any(part.handlers or part.timers for part in call.parts)
