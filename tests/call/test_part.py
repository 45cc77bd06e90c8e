"""Parts of a call: whose handler runs first, and who is notified of what."""

from __future__ import annotations

from call.play import an_agent
from gateway.call.context import CallContext
from gateway.call.endings import Ending
from gateway.call.part import CallPart, merged, overriding


class Noisy(CallPart):
    def __init__(self, name: str, told: list[str], kind: type = str) -> None:
        self._name, self._told = name, told
        self.handlers = {kind: lambda event: told.append(f"{name} {event}")}

    def session_lost(self) -> None:
        self._told.append(f"{self._name} lost")

    def session_given_up(self, ending: Ending, reason: str) -> None:
        self._told.append(f"{self._name} {ending} {reason}")


class Quiet(CallPart):
    pass


def test_two_parts_handle_one_event_in_the_order_of_the_parts() -> None:
    told: list[str] = []
    handlers = merged((Noisy("first", told), Quiet(), Noisy("second", told)))
    handlers[str]("event")
    assert told == ["first event", "second event"]


def test_a_single_handler_is_called_without_a_hop() -> None:
    told: list[str] = []
    part = Noisy("only", told)
    assert merged((part, Noisy("other", told, int)))[str] is part.handlers[str]


def test_only_parts_that_do_something_are_called() -> None:
    noisy, quiet = Noisy("noisy", []), Quiet()
    assert overriding((quiet, noisy), "session_lost") == [noisy]
    assert overriding((quiet, noisy), "settle") == []


def test_the_context_notifies_in_the_order_of_the_parts() -> None:
    told: list[str] = []
    ctx = CallContext(an_agent(), lambda: "id", 0.0)
    ctx.attach((Noisy("first", told), Quiet(), Noisy("second", told)))
    ctx.session_lost()
    ctx.session_given_up(Ending.MODEL_LOST, "closed")
    assert told == [
        "first lost",
        "second lost",
        "first model_lost closed",
        "second model_lost closed",
    ]
    ctx.caller_spoke()
    assert len(told) == 4, "nobody asked to be notified of that"
