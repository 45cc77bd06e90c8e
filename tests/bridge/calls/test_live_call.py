"""What a call does with the commands of its core, one by one, and when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID, MEDIA_CALL, CallDouble, SocketDouble

from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.tasks import Tasks
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import NOTHING, Out
from gateway.call.endings import Ending
from gateway.call.state_machines import CallPhase
from gateway.ops.billing.bills import Bill
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.protocols import media_stream, realtime_server


def ended(ending: Ending) -> events.CallEnded:
    return events.CallEnded(
        ending, "", arrived=True, seconds=0.0, waits_s=(), barge_ins=0, tools=0, tokens=0
    )


@dataclass
class CoreDouble:
    """A call core that answers each kind of event with what the test has written down."""

    answers: dict[type, Sequence[Out] | Exception] = field(default_factory=dict)
    handled: list[object] = field(default_factory=list)
    up: bytes | Exception | None = None
    phase: CallPhase = CallPhase.TALKING
    deadline: float | None = None
    ending: Ending | None = None
    agent: Any = field(default_factory=lambda: SimpleNamespace(model="m", result=None))

    def handle(self, event: object, _now: float) -> Sequence[Out]:
        self.handled.append(event)
        answer = self.answers.get(type(event), NOTHING)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pass_up(self, _frame: object, _now: float) -> bytes | None:
        if isinstance(self.up, Exception):
            raise self.up
        return self.up

    def release(self) -> None:
        """It holds nothing that refers back to it."""

    def abandon(self, _now: float) -> Sequence[Out]:
        self.phase = CallPhase.CLOSED
        return [do.CloseModel(), ended(Ending.BUG)]


class CarrierDouble:
    """A carrier of any kind; `fails` makes closing fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[str] = []
        self._fails = fails

    async def hang_up(self, _call: object) -> None:
        self.asked.append("hang_up")

    async def transfer(self, _call: object, to: do.TransferCaller) -> None:
        self.asked.append(f"transfer {to.to}")

    async def release(self, _call: object) -> None:
        self.asked.append("release")

    def close(self, _call: object) -> None:
        if self._fails:
            raise RuntimeError("a bug")
        self.asked.append("close")


class Models:
    """A connector whose connections are open at once, over sockets that write down."""

    def __init__(self) -> None:
        self.sockets: list[SocketDouble] = []
        self.sidebands = 0

    async def open_session(self, connection: ModelConnection, *_: object) -> None:
        self.sockets.append(SocketDouble())
        connection.on_model_open(self.sockets[-1])  # type: ignore[arg-type]

    async def open_sideband(self, _call: object) -> None:
        self.sidebands += 1


@dataclass
class CallRig:
    call: LiveCall
    core: CoreDouble
    carrier: CarrierDouble
    models: Models
    tasks: Tasks
    published: list[object]

    async def settled(self) -> None:
        """Every task that was started has run."""
        while len(self.tasks):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


def call_of(core: CoreDouble, carrier: CarrierDouble | None = None) -> CallRig:
    models, tasks, published = Models(), Tasks(), list[object]()
    carrier = carrier or CarrierDouble()
    services = CallServices(
        model=models,  # type: ignore[arg-type]
        carriers=SimpleNamespace(),  # type: ignore[arg-type]
        tasks=tasks,
        publish=lambda _call, event: published.append(event),
        added=AddedLatency(),
        open_bill=lambda facts, _: Bill(facts.agent, facts.path),
    )
    agents = SimpleNamespace(toolbox=SimpleNamespace())
    call = LiveCall(MEDIA_CALL, core, carrier, services, agents)  # type: ignore[arg-type]
    return CallRig(call, core, carrier, models, tasks, published)


GO = inputs.CallAccepted


async def test_a_media_call_opens_its_session_at_once() -> None:
    rig = call_of(CoreDouble())
    rig.call.begin(open_session=True)
    await rig.settled()
    assert len(rig.models.sockets) == 1
    assert rig.core.handled == [inputs.ModelOpened()]


async def test_sound_goes_to_the_socket_that_it_is_for() -> None:
    core = CoreDouble({GO: [do.SendToModel(b"m"), do.SendToCaller(b"c")]})
    rig, socket = call_of(core), SocketDouble()
    rig.call.begin(open_session=True)
    await rig.settled()
    rig.call.media = socket  # type: ignore[assignment]
    rig.call.notify(GO())
    assert (rig.models.sockets[0].posted, socket.posted) == ([b"m"], [b"c"])


async def test_sound_without_a_socket_is_dropped() -> None:
    core = CoreDouble(
        {GO: [do.SendToModel(b"m"), do.SendToCaller(b"c"), do.SendToNextSession(b"")]}
    )
    rig = call_of(core)
    rig.call.notify(GO())
    assert (rig.call.over, rig.published) == (False, [])


COMMANDS = {
    "hang_up": do.HangUp(),
    "transfer +15550111": do.TransferCaller("+15550111"),
    "release": do.ReleaseCall(),
    "close": do.CloseCaller(),
}


@pytest.mark.parametrize(("asked", "command"), COMMANDS.items(), ids=COMMANDS)
async def test_what_the_carrier_is_asked(asked: str, command: do.Command) -> None:
    rig = call_of(CoreDouble({GO: [command]}))
    rig.call.notify(GO())
    await rig.settled()
    assert rig.carrier.asked == [asked]
    assert rig.published == []


async def test_the_next_session_takes_the_place_of_the_first() -> None:
    core = CoreDouble(
        {
            GO: [do.OpenNextSession("gpt-realtime-2.1")],
            inputs.SipCallEnded: [do.SwitchToNextSession()],
        }
    )
    rig = call_of(core)
    rig.call.begin(open_session=True)
    rig.call.notify(GO())
    await rig.settled()
    first, second = rig.models.sockets
    assert first.closed == []
    rig.call.notify(inputs.SipCallEnded())
    assert (first.closed, second.closed) == ([""], [])


async def test_all_sessions_are_closed() -> None:
    core = CoreDouble(
        {GO: [do.OpenNextSession("gpt-realtime-2.1")], inputs.SipCallEnded: [do.CloseModel()]}
    )
    rig = call_of(core)
    rig.call.begin(open_session=True)
    rig.call.notify(GO())
    await rig.settled()
    rig.call.notify(inputs.SipCallEnded())
    assert [socket.closed for socket in rig.models.sockets] == [[""], [""]]


async def test_a_sideband_that_was_lost_is_opened_again() -> None:
    rig = call_of(CoreDouble({GO: [do.ReattachSideband()]}))
    rig.call.notify(GO())
    await rig.settled()
    assert rig.models.sidebands == 1


async def test_what_is_no_command_is_an_event() -> None:
    happened = events.KeyPressed()
    rig = call_of(CoreDouble({GO: [happened]}))
    rig.call.notify(GO())
    assert rig.published == [happened]


async def test_a_command_that_fails_leaves_nothing_else_undone() -> None:
    core = CoreDouble({GO: [do.CloseCaller(), ended(Ending.CALLER_HUNG_UP)]})
    rig = call_of(core, CarrierDouble(fails=True))
    rig.call.notify(GO())
    first, second = rig.published
    assert first == ended(Ending.CALLER_HUNG_UP)
    assert second == ended(Ending.BUG), "of the core's double, which ends whatever it is asked to"


@pytest.mark.parametrize("event", [GO(), inputs.SipCallEnded()])
async def test_a_core_that_fails_ends_its_call(event: object) -> None:
    rig = call_of(CoreDouble({type(event): RuntimeError("a bug")}))
    rig.call.notify(event)
    assert rig.published == [ended(Ending.BUG)]
    assert rig.call.over


async def test_a_frame_that_breaks_the_core_ends_its_call() -> None:
    rig = call_of(CoreDouble(up=RuntimeError("a bug")))
    frame = '{"event":"media","streamSid":"MZ","media":{"payload":"/w==","timestamp":"1"}}'
    assert type(media_stream.parse(frame.encode())) is media_stream.Media
    rig.call.on_text(frame.encode(), 0.0)
    assert rig.published == [ended(Ending.BUG)]


async def test_a_core_that_fails_takes_no_other_call_with_it() -> None:
    broken, well = call_of(CoreDouble(up=ZeroDivisionError())), call_of(CoreDouble(up=b"up"))
    well.call.begin(open_session=True)
    await well.settled()
    frame = b'{"event":"media","streamSid":"MZ","media":{"payload":"/w==","timestamp":"1"}}'
    for rig in (broken, well):
        rig.call.on_text(frame, 0.0)
    assert (broken.call.over, well.call.over) == (True, False)
    assert well.models.sockets[0].posted == [b"up"]


async def test_a_connection_that_was_replaced_is_not_the_model_any_more() -> None:
    rig = call_of(CoreDouble())
    rig.call.begin(open_session=True)
    await rig.settled()
    rig.core.handled.clear()
    rig.call.on_connection_lost(ModelConnection(CallDouble()), "closed_1011", False, 0.0)
    assert rig.core.handled == []


async def test_a_leg_whose_call_ended_while_it_was_accepted_is_hung_up() -> None:
    rig = call_of(CoreDouble(phase=CallPhase.CLOSED))
    rig.call.accepted()
    await rig.settled()
    assert (rig.carrier.asked, rig.models.sidebands) == (["hang_up"], 0)


async def test_a_lease_that_was_lost_ends_the_call_here_and_not_the_leg() -> None:
    rig = call_of(CoreDouble())
    rig.call.lose_lease()
    assert rig.call.released
    assert rig.core.handled == [inputs.HangUpRequested(Ending.DRAINED)]
    assert rig.call.facts.call_sid == CALL_SID


async def test_an_event_with_an_odd_field_is_used_and_counted() -> None:
    rig = call_of(CoreDouble())
    connection = rig.call.new_connection()
    text = b'{"type":"input_audio_buffer.speech_started","audio_start_ms":null,"item_id":"i"}'
    rig.call.on_connection_text(connection, text, 0.0)
    counted, started = rig.core.handled
    assert counted == inputs.PeerFaultSeen("model", "odd_field", ("audio_start_ms",))
    assert started == realtime_server.SpeechStarted("i", 0)


async def test_a_call_counts_under_the_agent_that_leads_it() -> None:
    changed = events.AgentChanged("desk", "billing", "m")
    rig = call_of(CoreDouble({GO: [changed]}))
    rig.call.notify(GO())
    assert rig.published == [changed]
    assert rig.call.facts.agent == rig.call.bill.agent == "billing"
    assert rig.call.facts.key == MEDIA_CALL.key
