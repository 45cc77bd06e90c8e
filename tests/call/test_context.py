"""The outbox of a call: in order, once, and nothing after the last word."""

from __future__ import annotations

import pytest

from call.play import an_agent
from gateway.call import commands as do
from gateway.call.context import CallContext
from gateway.call.endings import Ending
from gateway.call.timers import Timer


def test_what_was_put_is_taken_once_in_order() -> None:
    ctx = CallContext(an_agent(), lambda: "id", 0.0)
    ctx.put(do.CloseModel())
    ctx.to_model(b"{}")
    assert ctx.take() == [do.CloseModel(), do.SendToModel(b"{}")]
    assert ctx.take() == []


def test_nothing_is_put_after_the_end() -> None:
    ctx = CallContext(an_agent(), lambda: "id", 0.0)
    ctx.close(Ending.BUG)
    ctx.put(do.SendToCaller(b"{}"))
    ctx.to_model(b"{}")
    assert ctx.take()[:-1] == [do.CloseModel(), do.CloseCaller()]
    assert ctx.take() == []


def test_the_time_of_a_call_begins_when_its_caller_arrives() -> None:
    ctx = CallContext(an_agent(), lambda: "id", 10.0)
    ctx.now = 14.0
    assert ctx.talked_s == 0.0, "they were not there"
    ctx.arrive()
    ctx.tally.talked_s = 5.0
    ctx.now = 16.5
    assert ctx.talked_s == 7.5, "five seconds of them in another process"


@pytest.mark.parametrize(
    ("talked_s", "due"),
    [
        (0.0, [(Timer.WARN, 80.0), (Timer.LENGTH, 140.0)]),
        (100.0, [(Timer.WARN, 10.0), (Timer.LENGTH, 40.0)]),
        (200.0, [(Timer.LENGTH, 10.0), (Timer.WARN, 10.0)]),
    ],
)
def test_a_caller_who_comes_back_has_what_is_left_of_the_longest_time(
    talked_s: float, due: list[tuple[Timer, float]]
) -> None:
    """Nothing of it, if need be: then the call ends at once."""
    ctx = CallContext(an_agent(max_call_s=130.0), lambda: "id", 10.0)
    ctx.timers.clear_all()
    ctx.now, ctx.tally.talked_s = 10.0, talked_s
    ctx.arrive()
    assert limits_of(ctx) == due


@pytest.mark.parametrize(
    ("longest_s", "due"),
    [
        (60.0, [(Timer.LENGTH, 70.0)]),
        (200.0, [(Timer.WARN, 150.0), (Timer.LENGTH, 210.0)]),
    ],
)
def test_the_longest_time_is_that_of_the_agent_that_leads(
    longest_s: float, due: list[tuple[Timer, float]]
) -> None:
    ctx = CallContext(an_agent(max_call_s=130.0), lambda: "id", 10.0)
    ctx.arrive()
    ctx.now = 14.0
    ctx.change_agent(an_agent(name="other", max_call_s=longest_s), server_answers=True)
    assert limits_of(ctx) == due
    assert ctx.agent.name == "other"


def limits_of(ctx: CallContext) -> list[tuple[Timer, float]]:
    """Return when the call is warned, and ends."""
    found = []
    while (at := ctx.timers.next()) is not None:
        timer = ctx.timers.pop_due(at)
        if timer in (Timer.WARN, Timer.LENGTH):
            found.append((timer, at))
    return found
