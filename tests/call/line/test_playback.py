"""The ledger by itself: what it believes was heard, against a telephone that knows."""

from __future__ import annotations

import pytest
from call.play import BEGAN_AT, Book, answered, clears, note, nothing, truncates, wait
from call.telephone import Telephone
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    response_created,
    speech_started,
    speech_stopped,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.call import events
from gateway.call.inputs import ModelLost
from gateway.call.line.playback import PlaybackLedger, Truncation


def playing(*items: tuple[str, int]) -> PlaybackLedger:
    """All of it came, is done, and was sent at time 0."""
    ledger = PlaybackLedger()
    for item_id, ms in items:
        ledger.accept(item_id, ms, ms)
        ledger.finish(item_id)
        ledger.sent(ms, 0.0)
    return ledger


def test_what_was_heard_goes_by_the_clock_up_to_what_was_sent() -> None:
    ledger = playing(("a", 400))
    assert [ledger.heard_ms(at) for at in (0.0, 0.1, 0.4, 9.0)] == [0, 100, 400, 400]
    assert [ledger.lead_ms(at) for at in (0.0, 0.1, 0.4, 9.0)] == [400, 300, 0, 0]
    assert (ledger.dry(0.399), ledger.dry(0.4)) == (False, True)
    assert max(ledger.low_at(100)) == pytest.approx(0.3)


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    ledger = playing(("a", 400))
    assert ledger.heard_ms(-5.0) == 0


def test_after_a_silence_the_clock_starts_with_the_next_sound() -> None:
    ledger = playing(("a", 400))
    ledger.accept("a", 200, 200)
    ledger.sent(200, 5.0)
    assert [ledger.heard_ms(at) for at in (5.0, 5.1, 6.0)] == [400, 500, 600]


def test_a_mark_is_worth_more_than_the_clock() -> None:
    ledger = PlaybackLedger()
    ledger.accept("a", 400, 400)
    first, second = ledger.sent(200, 0.0), ledger.sent(200, 0.0)
    assert ledger.acknowledge(first, 0.35) == 200
    assert (ledger.heard_ms(0.35), ledger.heard_ms(0.45)) == (200, 300)
    assert ledger.acknowledge(second, 0.5) == 400
    assert ledger.settled()


def test_a_cut_begins_anew() -> None:
    ledger = playing(("a", 400), ("b", 400))
    name = ledger.sent(0, 0.0)
    assert ledger.cut(0.5) == [Truncation("b", 100)]
    assert ledger.epoch == 1
    assert ledger.acknowledge(name, 0.6) is None
    assert (ledger.sent_ms, ledger.accepted_ms, ledger.heard_ms(0.6)) == (0, 0, 0)
    assert ledger.settled()
    assert ledger.cut(0.7) == []


@pytest.mark.parametrize(
    ("at_s", "heard"),
    [
        (0.1, [("a", 100), ("b", 0)]),
        (0.3, [("a", 200), ("b", 100)]),
        (0.5, [("a", 300)]),
        (0.6, []),
    ],
)
def test_an_item_in_two_pieces_is_truncated_once(at_s: float, heard: list[tuple[str, int]]) -> None:
    """Deltas of an item may come after those of the next: what counts is the sum of its pieces."""
    ledger = playing(("a", 200), ("b", 200), ("a", 200))
    assert ledger.item_ids() == ["a", "b"]
    assert ledger.cut(at_s) == [Truncation(*one) for one in heard]


def test_pieces_that_were_heard_and_forgotten_still_count() -> None:
    ledger = PlaybackLedger()
    for item_id in ("a", "b", "a", "b"):
        ledger.accept(item_id, 200, 200)
    marks = [ledger.sent(200, 0.0) for _ in range(4)]
    ledger.finish("a")
    ledger.acknowledge(marks[1], 0.4)
    assert ledger.cut(0.5) == [Truncation("b", 200), Truncation("a", 300)]


def test_an_item_that_is_done_late_is_not_the_one_that_is_heard() -> None:
    ledger = PlaybackLedger()
    for item_id, ms in (("a", 540), ("b", 600)):
        ledger.accept(item_id, ms, ms)
    ledger.sent(1140, 0.0)
    playing_now = ledger.playing(0.8)
    assert playing_now is not None
    assert playing_now.item_id == "b"
    assert ledger.cut(0.8) == [Truncation("a", 540), Truncation("b", 260)]


def test_marks_that_never_come_back_are_bounded() -> None:
    ledger = PlaybackLedger()
    ledger.accept("a", 20 * 1000, 20 * 1000)
    names = [ledger.sent(20, n / 50) for n in range(1000)]
    assert len(set(names)) == 1000
    assert (
        ledger.acknowledge(names[limits.call.MARKS_PENDING_MAX - 1], 30.0)
        == limits.call.MARKS_PENDING_MAX * 20
    )
    assert ledger.acknowledge(names[limits.call.MARKS_PENDING_MAX], 30.0) is None


def test_items_that_were_heard_are_forgotten() -> None:
    ledger = PlaybackLedger()
    for n in range(1000):
        ledger.accept(f"item_{n}", 20, 20)
        ledger.finish(f"item_{n}")
        ledger.acknowledge(ledger.sent(20, n / 50), (n + 1) / 50)
    assert len(ledger.item_ids()) == 1


def preamble(**agent: object) -> Book:
    """A preamble of 541 ms, then the answer, whose first sound comes before the preamble is done.

    All of it comes within a moment; 841 ms of the answer are there.
    """
    book = answered(**agent)
    book.heard_marks = True
    book >> response_created() >> audio_delta("item_1", ms=541) << ...
    book >> audio_delta("item_2", ms=241) << ... >> audio_done("item_1") << ...
    return book >> audio_delta("item_2", ms=600) << ...


def test_the_caller_breaks_into_the_preamble() -> None:
    book = preamble() >> wait(0.3) << ... >> speech_started(300)
    book << clears << truncates("item_1", 300) << truncates("item_2", 0)
    book << note(events.BargedIn, item_id="item_1", heard_ms=300) << nothing


def test_the_caller_breaks_into_the_answer_behind_the_preamble() -> None:
    """The preamble was heard to its end, and keeps all of it."""
    book = preamble() >> wait(1.34) << ... >> speech_started(1340)
    (
        book
        << clears
        << truncates("item_2", 800)
        << note(events.BargedIn, item_id="item_2", heard_ms=800)
    )
    book << nothing


def test_sound_of_the_preamble_that_comes_after_the_answer_began() -> None:
    book = answered()
    book.heard_marks = True
    book >> response_created() >> audio_delta("item_1", ms=400) << ...
    book >> audio_delta("item_2", ms=200) << ... >> audio_delta("item_1", ms=200) << ...
    book >> audio_delta("item_2", ms=1000) << ... >> audio_done("item_1") << ...
    book >> wait(0.7) << ... >> speech_started(700) << clears
    book << truncates("item_2", 200) << truncates("item_1", 500)
    book << note(events.BargedIn, item_id="item_1", heard_ms=500) << nothing


def test_the_wait_of_a_turn_ends_with_the_preamble() -> None:
    """The first sound is the preamble's, though the answer is there before its mark."""
    book = answered(greeting=None)
    book.telephone, book.heard_marks = Telephone(away_s=0.1), True
    book >> speech_started(0) >> speech_stopped(500) >> committed() << ...
    book >> response_created() << nothing >> audio_delta("item_1", ms=541) << ...
    sent_at = book.now
    book >> audio_delta("item_2", ms=600) << ... >> wait(2.0)
    [measured] = [out for out in book.outs() if isinstance(out, events.TurnMeasured)]
    assert measured.gateway_s == pytest.approx(0.0, abs=1e-6)
    assert measured.playback_s < 0.3
    assert book.now > sent_at


def test_a_session_that_breaks_off_leaves_no_item_open() -> None:
    book = preamble() >> ModelLost("closed_1006") << ...
    book >> wait(2.0) << ...
    assert book.call.line.downlink.settled()
    assert len(book.call.line.downlink.ledger.item_ids()) == 1


@given(
    story=st.lists(
        st.tuples(st.sampled_from([20, 65, 400, 1500]), st.sampled_from([0.0, 0.13, 0.4, 1.7])),
        min_size=1,
        max_size=6,
    ),
    lead_ms=st.sampled_from([200, 1000, 5000]),
)
@settings(max_examples=40, deadline=None)
def test_it_knows_what_the_telephone_played(story: list[tuple[int, float]], lead_ms: int) -> None:
    """However sound comes, and whatever is paced: to the millisecond."""
    book = answered(BEGAN_AT, 500, lead_ms=lead_ms)
    book.heard_marks = True
    book >> response_created()
    for n, (ms, seconds) in enumerate(story):
        book >> audio_delta(f"item_{n // 2}", ms=ms) << ... >> wait(seconds) << ...
        ledger = book.call.line.downlink.ledger
        assert abs(ledger.heard_ms(book.now) - book.telephone.heard_ms(book.now)) <= 1
        assert book.telephone.depth_s(book.now) * 1000 <= lead_ms + 1e-6
        if n % 2:
            book >> audio_done(f"item_{n // 2}") << ...
