"""The ledger by itself: what it believes was heard, against a telephone that knows."""

from __future__ import annotations

import pytest
from call.play import BEGAN_AT, answered, wait
from call.vendor_events import audio_delta, audio_done, response_created
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
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
    assert ledger.low_at(100) == pytest.approx(0.3)


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


def test_the_same_item_in_two_pieces_is_truncated_within_each() -> None:
    """No server does so; none may be told of more than it sent."""
    ledger = playing(("a", 200), ("b", 200), ("a", 200))
    assert ledger.cut(0.1) == [Truncation("a", 100), Truncation("b", 0), Truncation("a", 0)]


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
