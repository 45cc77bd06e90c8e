"""How far a session has understood the caller."""

from __future__ import annotations

from gateway.call.session.replay_window import ReplayWindow


def test_what_was_understood_is_not_said_again() -> None:
    window = ReplayWindow()
    window.started(500, "turn_1")
    assert (window.open, window.since_ms) == (True, 500)
    window.stopped(900)
    assert window.since_ms == 500, "the words are not known yet"
    window.understood("turn_1", speaking=False)
    assert (window.open, window.since_ms) == (False, 900)


def test_the_words_of_another_turn_or_of_one_that_goes_on_close_nothing() -> None:
    window = ReplayWindow()
    window.started(500, "turn_2")
    window.understood("turn_1", speaking=False)
    assert window.open
    window.understood("turn_2", speaking=True)
    assert window.open


def test_a_turn_that_goes_on_begins_where_it_began() -> None:
    window = ReplayWindow()
    window.started(500, "turn_1")
    window.stopped(900)
    window.started(1000, "turn_2")
    assert window.since_ms == 500
    window.close()
    window.started(100, "turn_3")
    assert window.since_ms == 900, "never before what was over already"


def test_another_session_counts_from_zero() -> None:
    window = ReplayWindow()
    window.started(500, "turn_1")
    window.stopped(900)
    window.restart()
    assert (window.open, window.since_ms) == (False, 0)
