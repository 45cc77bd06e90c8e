"""What the parts of the mind put out: in order, once, and nothing after the last word."""

from __future__ import annotations

from gateway.call import commands as do
from gateway.call.context import CallContext


def test_what_was_put_is_taken_once_in_order() -> None:
    desk = CallContext(lambda: "id", 0.0)
    desk.put(do.CloseModel())
    desk.to_model(b"{}")
    assert desk.take() == [do.CloseModel(), do.SendToModel(b"{}")]
    assert desk.take() == []


def test_nothing_is_put_after_the_end() -> None:
    desk = CallContext(lambda: "id", 0.0)
    desk.put(do.CloseCaller())
    desk.close()
    desk.put(do.SendToCaller(b"{}"))
    desk.to_model(b"{}")
    assert desk.take() == [do.CloseCaller()]
    assert desk.take() == []
