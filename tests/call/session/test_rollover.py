"""The next session: when it is opened, confirmed, tried again and given up."""

from __future__ import annotations

from typing import Any

import pytest
from call.play import an_agent

from gateway import limits
from gateway.call import commands as do
from gateway.call.context import CallContext
from gateway.call.session.rollover import SessionRollover
from gateway.call.timers import Timer
from gateway.protocols import realtime_server as model

AUDIO = {
    "input": {"format": {"type": "audio/pcm", "rate": 24000}},
    "output": {"format": {"type": "audio/pcm", "rate": 24000}},
}
SESSION = {"model": "gpt-realtime-2.1", "audio": AUDIO}
CREATED = model.SessionCreated(model.SessionBody())
NOW = 1000.0


def confirmed(audio: dict[str, Any] | None = None) -> model.SessionUpdated:
    return model.SessionUpdated(model.SessionBody(expires_at=77, audio=audio or AUDIO))


def error() -> model.Error:
    return model.Error(model.ErrorBody(message="no"))


class Planned:
    """A session in use that ends in `left_s`, and the one after it."""

    def __init__(self, left_s: float = 3600.0) -> None:
        self.ctx = CallContext(an_agent(), lambda: "event_1", NOW)
        self.ctx.timers.clear(Timer.ARRIVAL)  # which every call begins with
        self.rollover = SessionRollover(SESSION, self.ctx)
        self.rollover.plan(left_s)

    def timer(self) -> tuple[Timer | None, float | None]:
        at = self.ctx.timers.next()
        return (None if at is None else self.ctx.timers.pop_due(at)), at

    def opened(self) -> Planned:
        self.rollover.open()
        self.rollover.on_event(CREATED)
        self.ctx.take()
        return self


def test_it_is_opened_two_minutes_before_the_end() -> None:
    assert Planned(3600.0).timer() == (Timer.ROLL, NOW + 3600 - limits.model.ROLL_BEFORE_S)


def test_of_a_short_session_a_third_is_left_for_it() -> None:
    assert Planned(90.0).timer() == (Timer.ROLL, NOW + 60)


def test_it_is_asked_for_what_the_one_in_use_was() -> None:
    planned = Planned()
    planned.rollover.open()
    assert planned.ctx.take() == [do.OpenNextSession("gpt-realtime-2.1")]
    assert (planned.rollover.open_or_opening, planned.rollover.ready) == (True, False)
    planned.rollover.on_event(CREATED)
    (asked,) = planned.ctx.take()
    assert isinstance(asked, do.SendToNextSession)
    assert b'"session.update"' in asked.data
    planned.rollover.on_event(CREATED)
    assert planned.ctx.take() == [], "it is configured once"


def test_a_quiet_moment_is_waited_for_so_long() -> None:
    planned = Planned(3600.0).opened()
    planned.rollover.on_event(confirmed())
    assert planned.rollover.ready
    assert planned.rollover.expires_at == 77
    before_s = limits.model.ROLL_BEFORE_S
    quiet_s = before_s * limits.model.ROLL_QUIET_MAX_SHARE
    planned.ctx.timers.clear(Timer.ROLL)
    assert planned.timer() == (Timer.ROLL_NOW, NOW + 3600 - before_s + quiet_s)


def test_one_that_comes_late_changes_over_at_once() -> None:
    planned = Planned(3600.0)
    planned.ctx.now = NOW + 3599
    planned.opened().rollover.on_event(confirmed())
    planned.ctx.timers.clear(Timer.ROLL)
    assert planned.timer() == (Timer.ROLL_NOW, NOW + 3599)


def test_another_agent_s_decides_itself_when_it_takes_over() -> None:
    planned = Planned()
    planned.rollover.open(for_agent=True)
    planned.rollover.on_event(CREATED)
    planned.rollover.on_event(confirmed())
    assert planned.rollover.ready
    assert Timer.ROLL_NOW not in planned.ctx.timers


@pytest.mark.parametrize("side", ["input", "output"])
def test_one_with_another_format_would_hear_noise_and_is_closed(side: str) -> None:
    planned = Planned().opened()
    planned.rollover.on_event(confirmed(AUDIO | {side: {"format": {"type": "audio/pcmu"}}}))
    assert planned.ctx.take() == [do.CloseNextSession()]
    assert not planned.rollover.open_or_opening
    retry_s = limits.model.ROLL_BEFORE_S / 8
    assert planned.timer() == (Timer.ROLL, NOW + retry_s)


def test_an_error_is_a_refusal_only_of_what_was_asked_for() -> None:
    planned = Planned()
    planned.rollover.open()
    planned.rollover.on_event(error())
    assert not planned.rollover.refused
    planned.opened().rollover.on_event(error())
    assert planned.rollover.refused
    assert planned.ctx.take() == [do.CloseNextSession()]
    planned.rollover.open()
    assert not planned.rollover.refused, "the next one is asked anew"


def test_another_agent_s_that_fails_is_not_tried_again_by_itself() -> None:
    planned = Planned()
    planned.rollover.open(for_agent=True)
    planned.rollover.try_again()
    assert Timer.ROLL not in planned.ctx.timers


def test_events_of_none_change_nothing() -> None:
    planned = Planned()
    for event in (CREATED, confirmed(), error()):
        planned.rollover.on_event(event)
    planned.rollover.try_again()
    planned.rollover.give_up()
    assert planned.ctx.take() == []
    assert Timer.ROLL in planned.ctx.timers


def test_one_that_is_taken_is_not_closed() -> None:
    planned = Planned().opened()
    planned.rollover.on_event(confirmed())
    planned.rollover.taken()
    assert planned.ctx.take() == []
    assert planned.timer() == (None, None)
    assert not planned.rollover.open_or_opening
