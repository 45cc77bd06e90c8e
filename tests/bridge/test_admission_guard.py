"""Events of calls that decide on the next calls."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from call_doubles import CALL_SID, MEDIA_CALL, SIP_CALL, CallDouble

from gateway.bridge.admission_guard import AdmissionGuard
from gateway.bridge.calls.call_table import CallTable
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending


class Noted:
    """A service of any methods: writes down which were called, and gives tasks a name."""

    def __init__(self, log: list[tuple[Any, ...]], name: str, **values: Any) -> None:
        self._log, self._name = log, name
        self.__dict__.update(values)

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any, **named: Any) -> str:
            self._log.append((f"{self._name}.{method}", *arguments, *named.values()))
            return f"{self._name}.{method}"

        return call


class Guarded(CallDouble):
    @property
    def machine(self) -> Any:
        agent = SimpleNamespace(name="billing", language="en", max_calls=9)
        return SimpleNamespace(ending=self.ending, agent=agent, first_agent="reception")

    @property
    def agents(self) -> Any:
        answered = SimpleNamespace(name="reception", max_calls=3)
        return SimpleNamespace(book=SimpleNamespace(agents={"reception": answered}))


def heard(
    facts: CallInfo,
    event: object,
    *,
    shared: bool = True,
    released: bool = False,
    another: bool = False,
) -> list[tuple[Any, ...]]:
    log: list[tuple[Any, ...]] = []
    table = CallTable()
    call = Guarded(facts, released=released)
    if another:
        table.add_media(cast("Any", Guarded(facts)))
    names = ("leases", "admission", "breaker", "rates", "tasks")
    parts: list[Any] = [Noted(log, name) for name in names]
    guard = AdmissionGuard(table, cast("Any", Noted(log, "snapshots", shared=shared)), *parts)
    guard.on_event(cast("Any", call), cast("Any", event))
    return [(what, *(one for one in more if one is not call)) for what, *more in log]


def ended(ending: Ending, reason: str = "") -> events.CallEnded:
    return events.CallEnded(ending, reason, True, 1.0, (), 0, 0, 0)


@pytest.mark.parametrize(
    "event", [events.ModelReady(0.1, None), events.SidebandConnected(0.1, again=False)]
)
def test_a_session_closes_the_breaker(event: object) -> None:
    assert heard(MEDIA_CALL, event) == [("breaker.worked",)]


def test_a_caller_counts_for_the_agent_that_answered_and_one_whom_we_called_not_again() -> None:
    slot = ("admission.restore", CALL_SID, MEDIA_CALL.caller, "reception", 3)
    assert heard(MEDIA_CALL, events.CallerConnected(0.1)) == [slot]
    assert heard(replace(MEDIA_CALL, direction="outbound"), events.CallerConnected(0.1)) == []


def test_a_sip_call_is_held_as_soon_as_it_is_there() -> None:
    """A process that is killed a moment later is missed by the others."""
    asked = heard(replace(SIP_CALL, direction="outbound"), events.CallerConnected(0.1))
    assert asked == [
        ("leases.hold", SIP_CALL.call_id),
        ("tasks.start", "leases.hold", f"lease {SIP_CALL.call_sid}"),
    ]


@pytest.mark.parametrize(
    ("ending", "reason", "counts"),
    [
        (Ending.MODEL_LOST, "http_503", True),
        (Ending.MODEL_REFUSED, "", True),
        (Ending.MODEL_SILENT, "session", True),
        (Ending.MODEL_LOST, "", False),  # only the carrier says so
        (Ending.CALLER_HUNG_UP, "", False),
    ],
)
def test_failures_of_the_model_are_counted(ending: Ending, reason: str, counts: bool) -> None:
    found = heard(MEDIA_CALL, ended(ending, reason))
    assert (("breaker.failed", reason) in found) == counts


def test_the_slot_of_a_call_that_may_go_on_elsewhere_is_released_as_such() -> None:
    found = heard(MEDIA_CALL, ended(Ending.MEDIA_BROKEN, "closed"))
    assert ("admission.release", CALL_SID, False) in found
    assert ("snapshots.ended", Ending.MEDIA_BROKEN) in found
    assert not any(what == "snapshots.remember" for what, *_ in found)
    assert ("admission.release", CALL_SID, True) in heard(MEDIA_CALL, ended(Ending.IDLE))


def test_alone_the_process_remembers_the_call_itself() -> None:
    found = heard(MEDIA_CALL, ended(Ending.MEDIA_BROKEN), shared=False)
    assert ("snapshots.remember", Ending.MEDIA_BROKEN) in found


def test_a_call_that_goes_on_in_another_stream_here_keeps_its_slot() -> None:
    found = heard(MEDIA_CALL, ended(Ending.MEDIA_BROKEN), another=True)
    assert not any(what.startswith(("admission", "snapshots")) for what, *_ in found)


def test_the_lease_of_a_leg_is_dropped_unless_another_process_steers_it() -> None:
    assert ("leases.drop", "rtc_1") in heard(SIP_CALL, ended(Ending.CALLER_HUNG_UP))
    released = heard(SIP_CALL, ended(Ending.DRAINED), released=True)
    assert not any(what == "leases.drop" for what, *_ in released)
    assert not any(what == "leases.drop" for what, *_ in heard(MEDIA_CALL, ended(Ending.IDLE)))


def test_a_browser_that_comes_back_asks_for_a_slot_again() -> None:
    browser = replace(MEDIA_CALL, path="browser")
    assert ("admission.release", CALL_SID, True) in heard(browser, ended(Ending.MEDIA_BROKEN))
