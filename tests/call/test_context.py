"""The outbox of a call: in order, once, and nothing after the last word."""

from __future__ import annotations

from call.play import an_agent
from gateway.call import commands as do
from gateway.call.context import CallContext
from gateway.call.endings import Ending


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
