"""Waits of the caller, and what they hear meanwhile."""

from __future__ import annotations

from math import inf

from gateway import limits
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.tools.waits import PendingWork, hold_tone_playing, to_fill


def wait(at: float, *, hold: bool = False) -> PendingWork:
    return PendingWork("stock", ToolOptions(hold=hold, filler_after_ms=1500), at)


def test_a_wait_begins_with_its_own_patience() -> None:
    work = wait(inf)
    work.fill_after(10.0)
    assert work.fill_at == 11.5


def test_nothing_is_said_before_its_time() -> None:
    work = wait(5.0)
    assert to_fill([work], 4.9, quiet=True) is None
    assert (work.fill_at, work.filled) == (5.0, False)


def test_the_first_that_is_due_is_filled_once_and_all_that_are_due_with_it() -> None:
    first, second, later = wait(5.0), wait(4.0), wait(6.0)
    assert to_fill([first, second, later], 5.0, quiet=True) is first
    assert [w.filled for w in (first, second, later)] == [True, True, False]
    assert [w.fill_at for w in (first, second, later)] == [inf, inf, 6.0]


def test_it_is_said_again_where_that_is_wanted() -> None:
    work = wait(5.0)
    assert to_fill([work], 5.0, quiet=True, again_s=20.0) is work
    assert work.fill_at == 25.0


def test_nobody_is_interrupted_with_it() -> None:
    work = wait(5.0)
    assert to_fill([work], 5.0, quiet=False) is None
    assert work.fill_at == 5.0 + limits.model.ROLL_LOOK_S
    assert not work.filled
    assert to_fill([work], work.fill_at, quiet=True) is work
    to_fill([work], inf, quiet=False)
    assert work.filled, "the caller has heard it, whoever speaks now"


def test_the_hold_tone_comes_after_the_words() -> None:
    silent, held = wait(5.0), wait(5.0, hold=True)
    assert not hold_tone_playing([silent, held])
    to_fill([silent, held], 5.0, quiet=True)
    assert hold_tone_playing([silent, held])
    assert not hold_tone_playing([silent])
    assert not hold_tone_playing([])
