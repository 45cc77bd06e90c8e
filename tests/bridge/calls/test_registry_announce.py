"""What a call has when it begins in this process: new, resumed, on a stream or a model's leg."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest
from call_doubles import MEDIA_CALL, SIP_CALL

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.audio.wire import PCM_24K
from gateway.bridge.calls.agents_in_use import AgentsInUse, AgentsVersion
from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.carriers import Carriers
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.tasks import Tasks
from gateway.call.briefing import Briefing
from gateway.call.call_info import BROWSER, CallInfo
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.ops.billing.bills import Bill
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.tools.toolbox import Toolbox

STREAM = replace(MEDIA_CALL, agent="desk")
BROWSER_CALL = CallInfo("WB1", "", "", "desk", BROWSER)
ASKS_FIRST = {"before": {"python": "math:sqrt"}}
RECORDS = {"recording": {"consent": "This call is recorded."}}


def agent(name: str, **more: Any) -> Agent:
    return Agent.model_validate({"name": name, "instructions": "Be kind.", **more})


class CarrierDouble:
    """A carrier of any kind, by name, that writes down which call it ends."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self._name, self._asked = name, asked

    async def hang_up(self, _call: object) -> None:
        self._asked.append(self._name)


class Rig:
    """A process with two agents: the first leads each call, the other may record."""

    def __init__(self, first: Agent | None = None) -> None:
        self.first = first or agent("desk")
        book = AgentBook(
            {"desk": self.first, "lab": agent("lab", greeting="This is the lab.", **RECORDS)},
            (Route(to="*", agent="desk"),),
        )
        self.version = AgentsVersion(book, Toolbox(book, {}), lambda: 1_000.0)
        self.announced: list[LiveCall] = []
        self.sessions: asyncio.Queue[CallInfo] = asyncio.Queue()
        self.table, self.tasks, self.ended_by = CallTable(), Tasks(), list[str]()
        names = ("twilio", "sip", "browser")
        carriers = [CarrierDouble(name, self.ended_by) for name in names]
        services = CallServices(
            model=cast("Any", SimpleNamespace(open_session=self._open)),
            carriers=Carriers(*cast("Any", carriers)),
            tasks=self.tasks,
            publish=lambda _call, _event: None,
            added=AddedLatency(),
            open_bill=lambda facts, _agent: Bill(facts.agent, facts.path),
        )
        self.registry = CallRegistry(
            AgentsInUse(self.version, lambda _: None),
            services,
            self.table,
            Store(MemoryStore(monotonic)),
            9,
            self.announced.append,
            lambda: False,
        )

    async def _open(self, _connection: object, facts: CallInfo, *_: object) -> None:
        self.sessions.put_nowait(facts)

    def media(self, facts: CallInfo = STREAM, **more: Any) -> LiveCall:
        return self.registry.announce(facts, self.first, **more)

    def sip(self, **more: Any) -> LiveCall:
        return self.registry.announce_sip(SIP_CALL, self.first, {}, **more)


async def test_a_call_on_a_stream_has_its_slot_and_opens_its_session() -> None:
    rig = Rig()
    call = rig.media()
    assert (rig.announced, rig.table.calls, rig.table.media_count) == ([call], [call], 1)
    assert rig.registry.agents.calls_of(rig.version.name) == 1
    assert await rig.sessions.get() == STREAM
    assert (call.machine.resumed, call.machine.opening) == (False, None)


async def test_a_slot_that_was_reserved_for_a_call_is_its_own() -> None:
    rig = Rig()
    rig.registry.reserve_slot(MEDIA_CALL.call_sid, "media-streams")
    assert rig.registry.active == 1
    rig.media()
    assert rig.registry.active == 1


@pytest.mark.parametrize(
    ("name", "greeting", "leads", "says"),
    [
        ("lab", "", "lab", "This is the lab."),
        ("lab", "Good day.", "lab", "Good day."),
        ("nobody", "Good day.", "desk", "Hello."),
    ],
)
async def test_another_agent_leads_a_call_that_is_expected(
    name: str, greeting: str, leads: str, says: str
) -> None:
    """With the sound of the line, for which the session was asked."""
    rig = Rig(agent("desk", greeting="Hello.", audio="pcmu"))
    call = rig.media()
    rig.registry.decide_anew(call, name, Briefing(greeting=greeting))
    led_by = call.machine.agent
    assert (led_by.name, led_by.greeting, led_by.audio) == (leads, says, "pcmu")


async def test_a_leg_of_the_model_opens_none_before_it_is_accepted() -> None:
    rig = Rig()
    call = rig.sip()
    assert (rig.announced, rig.table.calls, rig.table.sip_count) == ([call], [call], 1)
    assert rig.registry.agents.calls_of(rig.version.name) == 1
    await rig.tasks.stop()
    assert rig.sessions.empty()


@pytest.mark.parametrize("path", ["media", "sip"])
async def test_a_call_that_comes_back_goes_on_where_it_was(path: str) -> None:
    rig = Rig()
    state = CallSnapshot(
        "desk",
        "media-streams",
        streams=2,
        spent_micro_usd={"model": 500_000},
        minutes=3,
        briefing=Briefing("A parcel."),
    )
    begin = rig.media if path == "media" else rig.sip
    call = begin(state=state, opening="Say that you are back.", briefing=state.briefing)
    assert call.machine.resumed
    assert call.machine.streams == 2
    assert call.machine.opening == "Say that you are back."
    assert call.machine.briefing == Briefing("A parcel.")
    assert (call.bill.micro_usd, call.bill.minutes) == ({"model": 500_000}, 3)


async def test_of_a_call_that_begins_again_it_is_forgotten_how_it_ended() -> None:
    rig = Rig()
    rig.registry.pass_on(MEDIA_CALL.call_sid)
    assert await rig.registry.ending_of(MEDIA_CALL.call_sid) is Ending.DRAINED
    rig.media()
    assert await rig.registry.ending_of(MEDIA_CALL.call_sid) is None


@pytest.mark.parametrize(
    ("first", "resumed", "taps"),
    [
        ({}, False, False),
        (ASKS_FIRST, False, True),
        (ASKS_FIRST, True, False),
        (RECORDS, False, True),
        (RECORDS, True, True),
    ],
)
async def test_sound_is_tapped_where_a_recording_may_still_be_decided_on(
    first: dict[str, Any], resumed: bool, taps: bool
) -> None:
    state = CallSnapshot("desk", "media-streams") if resumed else None
    call = Rig(agent("desk", **first)).media(state=state)
    assert (call.machine.line.tap is not None) == taps


@pytest.mark.parametrize(
    ("begin", "carrier"),
    [
        (lambda rig: rig.media(), "twilio"),
        (lambda rig: rig.media(BROWSER_CALL, wire=PCM_24K), "browser"),
        (lambda rig: rig.sip(), "sip"),
    ],
)
async def test_each_call_is_ended_by_its_own_carrier(
    begin: Callable[[Rig], LiveCall], carrier: str
) -> None:
    rig = Rig()
    begin(rig).start_hang_up()
    await rig.tasks.stop()
    assert rig.ended_by == [carrier]
