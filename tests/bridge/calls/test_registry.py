"""Which calls are taken: by the process's slots, its drain, and the day's budget."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest
from call_doubles import MEDIA_CALL, SIP_CALL, CallDouble

from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.registry import CallRegistry
from gateway.call import events, inputs
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.errors import NotAdmitted
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

MEDIA, SIP = "media-streams", "sip"


class Rig:
    """A process with two slots for streams and one for SIP calls."""

    def __init__(self) -> None:
        self.table, self.spent = CallTable(), False
        self.registry = CallRegistry(
            cast("Any", None),
            cast("Any", None),
            self.table,
            Store(MemoryStore(monotonic)),
            2,
            lambda _call: None,
            lambda: self.spent,
            hours_shift_s=60.0,
            clock=lambda: 1_000.0,
            sip_calls_max=1,
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_streams_are_taken_up_to_the_last_slot(rig: Rig) -> None:
    registry = rig.registry
    rig.table.add_media(cast("Any", CallDouble(MEDIA_CALL)))
    assert registry.refusal() is None
    registry.reserve_slot("CA2", MEDIA)
    assert registry.active == 2
    assert registry.refusal() == "full"
    assert registry.refusal(MEDIA, "CA2") is None, "whoever was called has had a slot since then"
    assert registry.refusal(SIP) is None, "SIP calls have slots of their own"
    registry.release_slot("CA2")
    registry.release_slot("CA2")
    assert registry.refusal() is None


def test_so_are_calls_by_sip(rig: Rig) -> None:
    registry = rig.registry
    assert registry.refusal(SIP) is None
    registry.reserve_slot("CA2", SIP)
    assert registry.refusal(SIP) == "full"
    assert registry.refusal(MEDIA) is None
    registry.release_slot("CA2")
    rig.table.add_sip(cast("Any", CallDouble(SIP_CALL)))
    assert registry.refusal(SIP) == "full"


def test_a_caller_who_comes_back_during_a_drain_is_taken_until_calls_are_handed_over(
    rig: Rig,
) -> None:
    registry = rig.registry
    registry.draining = True
    assert registry.refusal() == "draining"
    assert registry.refusal(resumed=True) is None
    registry.hand_over_all(now=False)
    assert registry.refusal(resumed=True) == "draining"
    assert not registry.sends_on, "no other process could go on with a call"
    assert not registry.hands_over


def test_nobody_is_taken_when_the_budget_is_spent(rig: Rig) -> None:
    rig.spent = True
    assert rig.registry.refusal() == "budget"
    rig.registry.reserve_slot("CA2", MEDIA)
    assert rig.registry.refusal(MEDIA, "CA2") is None


def test_hours_are_looked_up_at_the_time_of_a_rehearsal(rig: Rig) -> None:
    assert rig.registry.hours_now() == 1_060.0


async def test_how_a_call_ended_is_known_unless_it_never_arrived(rig: Rig) -> None:
    def ended(ending: Ending) -> events.CallEvent:
        return events.CallEnded(
            ending, "", arrived=False, seconds=0.0, waits_s=(), barge_ins=0, tools=0, tokens=0
        )

    class Agents:
        def end(self, _version: object, _call_sid: str) -> None: ...

    rig.registry.agents = cast("Any", Agents())
    call = cast("Any", CallDouble(MEDIA_CALL))
    call.agents = None
    rig.table.add_media(call)
    rig.registry.on_event(call, events.CalleeRinging())
    assert rig.registry.active == 1
    rig.registry.on_event(call, ended(Ending.NEVER_ARRIVED))
    assert rig.registry.active == 0
    assert await rig.registry.ending_of(MEDIA_CALL.call_sid) is None
    rig.registry.on_event(call, ended(Ending.MEDIA_BROKEN))
    assert await rig.registry.ending_of(MEDIA_CALL.call_sid) is Ending.MEDIA_BROKEN
    rig.registry.pass_on("CA2")
    assert await rig.registry.ending_of("CA2") is Ending.DRAINED


class Heard:
    """A call that writes down what the process tells it."""

    def __init__(self, facts: CallInfo, *, arrived: bool) -> None:
        self.facts, self.machine = facts, SimpleNamespace(arrived=arrived)
        self.told: list[object] = []

    def notify(self, event: object) -> None:
        self.told.append(event)

    def hang_up(self, ending: Ending) -> None:
        self.told.append(ending)

    def leg_ended(self) -> None:
        self.told.append("leg ended")


TALKS = replace(MEDIA_CALL, call_sid="CA_talks")
WAITS = replace(MEDIA_CALL, call_sid="CA_waits")
LEG = replace(SIP_CALL, call_sid="CA_leg", call_id="rtc_leg")


def with_calls(rig: Rig) -> tuple[Heard, Heard, Heard]:
    """One that talks on a stream, one whose stream is expected, and a model's leg."""
    talks, waits = Heard(TALKS, arrived=True), Heard(WAITS, arrived=False)
    leg = Heard(LEG, arrived=True)
    for call in (talks, waits):
        rig.table.add_media(cast("Any", call))
    rig.table.add_sip(cast("Any", leg))
    return talks, waits, leg


def test_calls_are_handed_over_where_another_process_can_have_them(rig: Rig) -> None:
    """The carrier brings a stream's caller back to any process; a leg needs the shared store."""
    talks, waits, leg = with_calls(rig)
    rig.registry.hand_over_all(now=False)
    assert (talks.told, waits.told, leg.told) == ([inputs.HandOverRequested(False)], [], [])
    rig.registry.hand_over_all(now=True)
    assert talks.told[1:] == [inputs.HandOverRequested(True)]
    assert (waits.told, leg.told) == ([Ending.DRAINED], [Ending.DRAINED])


def test_what_the_carrier_says_of_a_leg_is_for_the_calls_on_it(rig: Rig) -> None:
    talks, waits, leg = with_calls(rig)
    for over in (rig.registry.leg_is_over, rig.registry.dial_is_over):
        for facts in (TALKS, WAITS, LEG):
            over(facts.call_sid)
        over("CA_unknown")
    assert (talks.told, waits.told) == ([], [Ending.NEVER_ARRIVED])
    assert leg.told == ["leg ended", Ending.MODEL_LOST]


def test_a_stream_that_is_over_ends_the_call_that_had_it(rig: Rig) -> None:
    talks, waits, leg = with_calls(rig)
    for facts in (TALKS, WAITS, LEG):
        rig.registry.stream_is_over(facts.call_sid, drained=False)
    rig.registry.stream_is_over("CA_unknown", drained=False)
    rig.registry.stream_is_over(TALKS.call_sid, drained=True)
    assert talks.told == [Ending.MEDIA_BROKEN, Ending.DRAINED]
    assert (waits.told, leg.told) == ([], [])


def test_every_call_is_ended_when_the_process_stops(rig: Rig) -> None:
    calls = with_calls(rig)
    rig.registry.end_all(Ending.DRAINED)
    assert [call.told for call in calls] == [[Ending.DRAINED]] * 3


def test_a_call_that_is_expected_is_no_other(rig: Rig) -> None:
    _, waits, _ = with_calls(rig)
    assert rig.registry.expected(WAITS.call_sid) is cast("Any", waits)
    assert rig.registry.expected(TALKS.call_sid) is None
    assert rig.registry.expected("CA_unknown") is None


@pytest.mark.parametrize(("streams", "same"), [(None, True), (1, True), (2, False)])
def test_a_call_that_is_announced_once_more_is_the_one_that_is_expected(
    rig: Rig, streams: int | None, same: bool
) -> None:
    """Unless it was on another stream since then: what waits here knows nothing of that."""
    _, waits, _ = with_calls(rig)
    waits.machine.streams = 1
    state = None if streams is None else SimpleNamespace(streams=streams)
    # Who comes back is let in during a drain: here they are refused for the slots alone.
    rig.registry.draining = True
    announced = partial(rig.registry.announce, WAITS, cast("Any", None), state=cast("Any", state))
    if same:
        assert announced() is cast("Any", waits)
        assert waits.told == []
    else:
        with pytest.raises(NotAdmitted, match="full"):
            announced()
        assert waits.told == [Ending.NEVER_ARRIVED]


async def test_what_is_known_of_a_caller_while_the_model_is_dialled(rig: Rig) -> None:
    registry = rig.registry
    registry.dialling_for("CA1", "+15550100")
    registry.begin_with("CA1", "Say that you are back.")
    registry.begin_with("CA2", None)
    assert await registry.dialled_by("CA1") == "+15550100"
    assert await registry.opening_of("CA1") == "Say that you are back."
    assert await registry.dialled_by("CA2") is None
    assert await registry.opening_of("CA2") is None
