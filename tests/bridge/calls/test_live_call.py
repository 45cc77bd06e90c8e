"""What a call does with the commands of its core, one by one, and when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest
from call_doubles import CALL_SID, MEDIA_CALL, CallDouble, SocketDouble

from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.tasks import Tasks
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.call.context import NOTHING, Out
from gateway.call.endings import Ending
from gateway.call.state_machines import CallPhase
from gateway.errors import LinkError
from gateway.limits.model import RENEW_SPREAD_S
from gateway.limits.sockets import CALLER_MESSAGE_MAX_BYTES, FAULTS_MAX
from gateway.ops.billing.bills import Bill
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.protocols import media_stream, realtime_server
from gateway.tools.toolbox import ToolResult


def ended(ending: Ending) -> events.CallEnded:
    return events.CallEnded(
        ending, "", arrived=True, seconds=0.0, waits_s=(), barge_ins=0, tools=0, tokens=0
    )


@dataclass
class CoreDouble:
    """A call core that answers each kind of event with what the test has written down."""

    answers: dict[type, Sequence[Out] | Exception] = field(default_factory=dict)
    handled: list[object] = field(default_factory=list)
    ticked: asyncio.Event = field(default_factory=asyncio.Event)
    up: bytes | Exception | None = None
    phase: CallPhase = CallPhase.TALKING
    deadline: float | None = None
    ending: Ending | None = None
    takes_operator_requests: bool = True
    takes_pictures: bool = True
    briefing: Briefing = NO_BRIEFING
    released: bool = False
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

    def approval(self, approval_id: str) -> str:
        return f"{approval_id} stands"

    def release(self) -> None:
        self.released = True

    def tick(self, _now: float) -> Sequence[Out]:
        self.deadline = None
        self.ticked.set()
        return NOTHING

    def give_up(self, _now: float) -> Sequence[Out]:
        return [ended(Ending.MODEL_LOST)]

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

    async def collect(self, _call: object, secret: do.CollectSecret) -> None:
        self.asked.append(f"collect {secret.name}")

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
        self.connections: list[ModelConnection] = []
        self.pauses_s: list[float] = []
        self.fails: LinkError | None = None
        self.sidebands = 0

    async def open_session(
        self, connection: ModelConnection, _facts: object, _model: str, after_s: float
    ) -> None:
        self.pauses_s.append(after_s)
        if self.fails is not None:
            raise self.fails
        self.connections.append(connection)
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
    added: AddedLatency

    async def settled(self) -> None:
        """Every task that was started has run."""
        while len(self.tasks):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


def call_of(
    core: CoreDouble, carrier: CarrierDouble | None = None, toolbox: object = None
) -> CallRig:
    models, tasks, published, added = Models(), Tasks(), list[object](), AddedLatency()
    carrier = carrier or CarrierDouble()
    services = CallServices(
        model=models,  # type: ignore[arg-type]
        carriers=SimpleNamespace(),  # type: ignore[arg-type]
        tasks=tasks,
        publish=lambda _call, event: published.append(event),
        added=added,
        open_bill=lambda facts, _: Bill(facts.agent, facts.path),
    )
    agents = SimpleNamespace(toolbox=toolbox)
    call = LiveCall(MEDIA_CALL, core, carrier, services, agents)  # type: ignore[arg-type]
    return CallRig(call, core, carrier, models, tasks, published, added)


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
    "collect card": do.CollectSecret("digits", "card"),
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


# --- Requests from the process ---

SAY = inputs.SayRequested("Good evening.")
SEEN = inputs.CallerMessageReceived("page", text="hello")


async def test_a_new_call_is_neither_attached_nor_released() -> None:
    rig = call_of(CoreDouble())
    assert (rig.call.attached, rig.call.released, rig.call.over) == (False, False, False)
    assert rig.call.media is None


REQUESTS: dict[str, tuple[Callable[[LiveCall], object], object, object]] = {
    "hang up": (
        lambda call: call.hang_up(Ending.DRAINED),
        inputs.HangUpRequested(Ending.DRAINED),
        None,
    ),
    "spent": (lambda call: call.spend_reached(0.8), inputs.SpendLimitReached(0.8), None),
    "ask": (lambda call: call.ask(SAY), SAY, True),
    "show": (lambda call: call.show(SEEN), SEEN, True),
    "allow": (
        lambda call: call.allow("ap_1", approve=True),
        inputs.ApprovalAnswered("ap_1", approve=True),
        "ap_1 stands",
    ),
    "refuse": (
        lambda call: call.allow("ap_1", approve=False),
        inputs.ApprovalAnswered("ap_1", approve=False),
        "ap_1 stands",
    ),
    "leg ended": (lambda call: call.leg_ended(), inputs.SipCallEnded(), None),
}


@pytest.mark.parametrize(("do_it", "said", "answer"), REQUESTS.values(), ids=REQUESTS)
async def test_what_the_process_wants_reaches_the_core(
    do_it: Callable[[LiveCall], object], said: object, answer: object
) -> None:
    rig = call_of(CoreDouble())
    assert do_it(rig.call) == answer
    assert rig.core.handled == [said]
    assert not rig.call.released


async def test_what_comes_at_the_wrong_time_is_refused() -> None:
    rig = call_of(CoreDouble(takes_operator_requests=False, takes_pictures=False))
    assert not rig.call.ask(SAY)
    assert not rig.call.show(SEEN)
    assert rig.core.handled == []


async def test_operators_and_pictures_have_their_own_times() -> None:
    assert call_of(CoreDouble(takes_pictures=False)).call.ask(SAY)
    assert call_of(CoreDouble(takes_operator_requests=False)).call.show(SEEN)


async def test_a_call_that_another_process_steers_is_released_and_goes_on() -> None:
    rig = call_of(CoreDouble())
    rig.call.mark_released()
    assert rig.call.released
    assert rig.core.handled == []


# --- SIP legs ---


async def test_an_accepted_leg_gets_its_sideband() -> None:
    rig = call_of(CoreDouble())
    rig.call.accepted()
    await rig.settled()
    assert rig.core.handled == [inputs.CallAccepted()]
    assert (rig.models.sidebands, rig.carrier.asked, rig.call.attached) == (1, [], False)


async def test_an_adopted_leg_was_attached_before() -> None:
    rig = call_of(CoreDouble())
    rig.call.adopted()
    await rig.settled()
    assert rig.core.handled == [inputs.CallAccepted()]
    assert (rig.models.sidebands, rig.call.attached) == (1, True)


async def test_a_leg_that_was_not_accepted_ends_the_call_and_is_not_hung_up() -> None:
    core = CoreDouble(deadline=0.0)
    rig = call_of(core)
    rig.call.accept_failed()
    assert rig.published == [ended(Ending.MODEL_LOST)]
    assert core.released, "the circles of references are broken"
    await rig.settled()
    assert rig.carrier.asked == []


async def test_a_sip_call_opens_no_session_of_its_own() -> None:
    rig = call_of(CoreDouble())
    rig.call.begin(open_session=False)
    await rig.settled()
    assert rig.models.sockets == []


# --- The clock ---


MAKES_DUE: dict[str, Callable[[LiveCall], None]] = {
    "begin": lambda call: call.begin(open_session=False),
    "event": lambda call: call.notify(GO()),
    "nobody accepted": lambda call: call.accept_failed(),
    "bug": lambda call: call.notify(inputs.SipCallEnded()),
}


@pytest.mark.parametrize("happens", MAKES_DUE.values(), ids=MAKES_DUE)
async def test_the_core_is_woken_when_something_is_due(happens: Callable[[LiveCall], None]) -> None:
    core = CoreDouble({GO: [], inputs.SipCallEnded: RuntimeError("a bug")}, deadline=0.0)
    rig = call_of(core)
    happens(rig.call)
    await asyncio.wait_for(core.ticked.wait(), 10)


# --- Messages of the caller ---

MULAW = media_stream.MediaFormat("audio/x-mulaw", 8000)
FRAME = b'{"event":"media","streamSid":"MZ","media":{"payload":"/w==","timestamp":"1"}}'
KEY = b'{"event":"dtmf","streamSid":"MZ","dtmf":{"digit":"5"}}'


async def test_the_stream_that_starts_is_heard_from_then_on() -> None:
    rig, socket = call_of(CoreDouble()), cast("Any", SocketDouble())
    start = media_stream.Start("MZ", media_stream.StartBody("AC", "MZ", CALL_SID, MULAW))
    rig.call.start_stream(start, socket, 0.0)
    assert rig.call.media is socket
    assert socket.receiver is rig.call
    assert rig.core.handled == [start]


async def test_a_frame_goes_up_and_its_time_is_noted() -> None:
    rig = call_of(CoreDouble(up=b"up"))
    rig.call.begin(open_session=True)
    await rig.settled()
    rig.core.handled.clear()
    rig.call.on_text(FRAME, monotonic())
    assert rig.models.sockets[0].posted == [b"up"]
    assert rig.core.handled == []
    assert (rig.added.up.unsorted, rig.added.down.unsorted) == (1, 0)
    assert 0.0 <= rig.added.up.sum_s < 60.0


async def test_a_frame_that_is_more_than_sound_is_handled_and_its_time_is_noted() -> None:
    rig = call_of(CoreDouble(up=None))
    rig.call.on_text(FRAME, monotonic())
    [frame] = rig.core.handled
    assert type(frame) is media_stream.Media
    assert rig.added.up.unsorted == 1


async def test_a_frame_before_there_is_a_session_is_dropped() -> None:
    rig = call_of(CoreDouble(up=b"up"))
    rig.call.on_text(FRAME, 0.0)
    assert (rig.core.handled, rig.published) == ([], [])


async def test_a_frame_that_breaks_the_core_is_not_noted() -> None:
    rig = call_of(CoreDouble(up=RuntimeError("a bug")))
    rig.call.on_text(FRAME, 0.0)
    assert rig.added.up.unsorted == 0


def fault(kind: str, *fields: str, peer: str = "caller") -> inputs.PeerFaultSeen:
    return inputs.PeerFaultSeen(peer, kind, fields)


FROM_CALLER = {
    "key": (KEY, [media_stream.Dtmf("MZ", media_stream.DtmfBody("5"))]),
    "as long as allowed": (
        KEY.ljust(CALLER_MESSAGE_MAX_BYTES),
        [media_stream.Dtmf("MZ", media_stream.DtmfBody("5"))],
    ),
    "a byte too long": (KEY.ljust(CALLER_MESSAGE_MAX_BYTES + 1), [fault("oversized_message")]),
    "junk": (b"{", [fault("junk")]),
    "malformed": (b'{"event":"dtmf"}', [fault("malformed")]),
    "unknown": (b'{"event":"weather"}', [fault("unknown_event")]),
    "odd": (
        b'{"event":"dtmf","streamSid":"MZ","dtmf":{"digit":"5","track":[]}}',
        [
            fault("odd_field", "dtmf.track"),
            media_stream.Dtmf("MZ", media_stream.DtmfBody("5")),
        ],
    ),
    "a number too many": (
        b'{"event":"start","streamSid":"MZ","start":{"accountSid":"AC","streamSid":"MZ",'
        b'"callSid":"CA","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":"8000"}}}',
        [
            media_stream.Start(
                "MZ",
                media_stream.StartBody(
                    "AC", "MZ", "CA", media_stream.MediaFormat("audio/x-mulaw", 8000)
                ),
            )
        ],
    ),
}


@pytest.mark.parametrize(("text", "handled"), FROM_CALLER.values(), ids=FROM_CALLER)
async def test_what_the_core_hears_of_a_callers_message(text: bytes, handled: list[object]) -> None:
    rig = call_of(CoreDouble())
    rig.call.on_text(text, 0.0)
    assert rig.core.handled == handled


async def test_what_else_a_callers_socket_reports() -> None:
    rig = call_of(CoreDouble())
    rig.call.media = SocketDouble()  # type: ignore[assignment]
    rig.call.on_binary(0.0)
    assert rig.core.handled == [fault("binary")]
    rig.core.handled.clear()
    rig.call.on_flood(0.0)
    assert rig.core.handled == [fault("flood"), inputs.HangUpRequested(Ending.MEDIA_BROKEN)]
    assert rig.call.media is not None
    rig.core.handled.clear()
    rig.call.on_closed(0.0)
    assert rig.core.handled == [inputs.CallerLost()]
    assert rig.call.media is None


async def test_after_so_many_faults_of_the_caller_the_call_is_given_up_once() -> None:
    rig = call_of(CoreDouble())
    for _ in range(FAULTS_MAX - 1):
        rig.call.on_binary(0.0)
    given_up = inputs.HangUpRequested(Ending.MEDIA_BROKEN)
    assert given_up not in rig.core.handled
    rig.call.on_binary(0.0)
    assert rig.core.handled[-1] == given_up
    rig.call.on_binary(0.0)
    assert rig.core.handled.count(given_up) == 1
    assert rig.core.handled.count(fault("binary")) == FAULTS_MAX + 1


# --- Messages of the model ---

UNKNOWN, STARTED = b'{"type":"weather.fine"}', b'{"type":"session.created","session":{"id":"s"}}'
SOUND = b'{"type":"response.output_audio.delta","item_id":"i","response_id":"r","delta":"AAA="}'


async def test_after_so_many_faults_of_the_model_its_socket_is_closed() -> None:
    rig = call_of(CoreDouble())
    rig.call.begin(open_session=True)
    await rig.settled()
    rig.core.handled.clear()
    connection = rig.call.new_connection()
    connection.on_model_open(socket := SocketDouble())  # type: ignore[arg-type]
    for _ in range(FAULTS_MAX - 1):
        rig.call.on_connection_text(connection, b"{", 0.0)
    assert socket.closed == []
    assert rig.core.handled.count(fault("junk", peer="model")) == FAULTS_MAX - 1
    rig.call.on_connection_text(connection, b"{", 0.0)
    assert rig.core.handled[-1] == inputs.ModelLost("noise")
    assert socket.closed == [""]


async def test_a_session_that_is_opened_anew_may_have_faults_of_its_own() -> None:
    core = CoreDouble({GO: [do.OpenModel(0.0)]})
    rig = call_of(core)
    rig.call.begin(open_session=True)
    await rig.settled()
    first = rig.call.new_connection()
    for _ in range(FAULTS_MAX - 1):
        rig.call.on_connection_text(first, b"{", 0.0)
    rig.call.notify(GO())
    await rig.settled()
    for _ in range(FAULTS_MAX - 1):
        rig.call.on_connection_text(first, b"{", 0.0)
    assert inputs.ModelLost("noise") not in core.handled
    rig.call.on_connection_text(first, b"{", 0.0)
    assert inputs.ModelLost("noise") in core.handled


@pytest.mark.parametrize("after_s", [0.0, 100.0])
async def test_a_session_that_is_opened_anew_takes_the_place_of_the_old_one(after_s: float) -> None:
    rig = call_of(CoreDouble({GO: [do.OpenModel(after_s)], SAY_KIND: [do.SendToModel(b"m")]}))
    rig.call.begin(open_session=True)
    await rig.settled()
    rig.call.notify(GO())
    await rig.settled()
    first, second = rig.models.sockets
    assert (first.closed, second.closed) == ([""], [])
    begun, pause_s = rig.models.pauses_s
    assert begun == 0.0, "the first one is opened at once"
    assert 0.5 * after_s <= pause_s <= 1.5 * after_s + RENEW_SPREAD_S
    assert pause_s != after_s, "spread, for all calls may have lost the model in the same moment"
    rig.call.notify(SAY)
    assert (first.posted, second.posted) == ([], [b"m"])


async def test_sessions_that_were_lost_together_are_opened_one_after_the_other() -> None:
    core = CoreDouble({GO: [do.OpenModel(0.0)], SAY_KIND: [do.OpenModel(100.0)]})
    rig = call_of(core)
    for _ in range(100):
        rig.call.notify(GO())
        rig.call.notify(SAY)
        await rig.settled()
    at_once, later = rig.models.pauses_s[::2], rig.models.pauses_s[1::2]
    assert min(at_once) < 0.3 * RENEW_SPREAD_S
    assert 0.7 * RENEW_SPREAD_S < max(at_once) <= RENEW_SPREAD_S
    assert min(later) < 70
    assert 130 < max(later) <= 150 + RENEW_SPREAD_S


SAY_KIND = inputs.SayRequested


async def test_what_the_core_hears_of_a_models_message() -> None:
    rig = call_of(CoreDouble())
    connection, other = rig.call.new_connection(), ModelConnection(CallDouble())
    rig.call.on_connection_text(connection, UNKNOWN, 0.0)
    assert rig.core.handled == [fault("unknown_event", peer="model")]
    rig.core.handled.clear()
    rig.call.on_connection_text(connection, STARTED, 0.0)
    [created] = rig.core.handled
    assert type(created) is realtime_server.SessionCreated
    rig.core.handled.clear()
    rig.call.on_connection_text(other, STARTED, 0.0)
    assert rig.core.handled == [inputs.NextSessionEvent(created)]
    assert rig.added.down.unsorted == 0


async def test_the_time_that_sound_takes_is_observed_once() -> None:
    rig = call_of(CoreDouble())
    connection = rig.call.new_connection()
    rig.call.on_connection_text(connection, SOUND, monotonic())
    assert [type(one) for one in rig.core.handled] == [realtime_server.AudioDelta]
    assert (rig.added.down.unsorted, rig.added.up.unsorted) == (1, 0)
    assert 0.0 <= rig.added.down.sum_s < 60.0


async def test_only_the_session_in_use_counts_as_opened() -> None:
    rig = call_of(CoreDouble())
    rig.call.on_connection_open(ModelConnection(CallDouble()))
    assert (rig.core.handled, rig.call.attached) == ([], False)
    rig.call.on_connection_open(rig.call.new_connection())
    assert (rig.core.handled, rig.call.attached) == ([inputs.ModelOpened()], True)


async def test_each_session_that_is_lost_is_reported_as_what_it_was() -> None:
    core = CoreDouble({GO: [do.OpenNextSession("m")], SAY_KIND: [do.SendToModel(b"m")]})
    rig = call_of(core)
    rig.call.begin(open_session=True)
    rig.call.notify(GO())
    await rig.settled()
    first, second = rig.models.connections
    rig.core.handled.clear()
    second.on_model_lost("closed_1011", False, 0.0)
    assert rig.core.handled == [inputs.NextSessionLost("closed_1011")]
    rig.core.handled.clear()
    first.on_model_lost("closed_1006", True, 0.0)
    assert rig.core.handled == [inputs.ModelLost("closed_1006", refused=True)]
    rig.call.notify(SAY)
    assert not rig.models.sockets[0].posted


@pytest.mark.parametrize("retryable", [False, True])
async def test_a_session_that_cannot_be_had_is_lost(retryable: bool) -> None:
    rig = call_of(CoreDouble())
    rig.models.fails = LinkError("http_401", retryable=retryable)
    rig.call.begin(open_session=True)
    await rig.settled()
    assert rig.core.handled == [inputs.ModelLost("http_401", refused=not retryable)]


# --- Commands ---


async def test_the_next_session_can_be_spoken_to_and_closed() -> None:
    core = CoreDouble(
        {
            GO: [do.OpenNextSession("m"), do.SendToNextSession(b"early")],
            SAY_KIND: [do.SendToNextSession(b"n")],
            inputs.SipCallEnded: [do.CloseNextSession()],
        }
    )
    rig = call_of(core)
    rig.call.begin(open_session=True)
    rig.call.notify(GO())
    await rig.settled()
    first, second = rig.models.sockets
    assert rig.models.pauses_s == [0.0, 0.0]
    rig.call.notify(SAY)
    assert (first.posted, second.posted) == ([], [b"n"])
    rig.call.notify(inputs.SipCallEnded())
    assert (first.closed, second.closed) == ([], [""])
    rig.call.notify(SAY)
    rig.call.notify(inputs.SipCallEnded())
    assert (second.posted, second.closed) == ([b"n"], [""])


async def test_what_was_posted_is_flushed_once_for_each_event() -> None:
    rig, socket = (
        call_of(CoreDouble({GO: [do.SendToCaller(b"a"), do.SendToCaller(b"b")]})),
        Flushed(),
    )
    rig.call.media = socket  # type: ignore[assignment]
    rig.call.notify(GO())
    assert socket.flushed == [2]


class Flushed(SocketDouble):
    """A socket that writes down how much had been posted at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[int] = []

    def flush(self) -> None:
        self.flushed.append(len(self.posted))


async def test_a_function_runs_and_its_result_is_handled() -> None:
    class Toolbox:
        async def run(self, name: str, arguments: str, _context: object) -> ToolResult:
            return ToolResult(f"{name} {arguments}", "ok")

    rig = call_of(CoreDouble({GO: [do.RunTool("call_1", "book", "{}")]}), toolbox=Toolbox())
    rig.call.notify(GO())
    await rig.settled()
    assert rig.core.handled == [GO(), inputs.ToolFinished("call_1", "book {}", "ok")]
    assert rig.published == []


async def test_a_call_that_is_over_runs_no_function_any_more() -> None:
    core = CoreDouble(
        {GO: [ended(Ending.CALLER_HUNG_UP)], SAY_KIND: [do.RunTool("call_1", "book", "{}")]}
    )
    rig = call_of(core)
    rig.call.notify(GO())
    assert core.released
    rig.call.notify(SAY)
    assert len(rig.tasks) == 0
    assert rig.published == [ended(Ending.CALLER_HUNG_UP)]


async def test_a_call_that_is_over_is_not_woken_any_more() -> None:
    core = CoreDouble({GO: [ended(Ending.CALLER_HUNG_UP)]}, deadline=0.0)
    rig = call_of(core)
    rig.call.begin(open_session=False)
    core.deadline = None
    rig.call.notify(GO())
    assert not core.ticked.is_set()


async def test_a_hang_up_is_waited_for_when_the_process_stops() -> None:
    may_end, carrier = asyncio.Event(), SlowCarrier()
    carrier.may_end = may_end
    rig = call_of(CoreDouble({GO: [do.HangUp()], SAY_KIND: [do.ReleaseCall()]}), carrier)
    rig.call.notify(GO())
    rig.call.notify(SAY)
    stopping = asyncio.create_task(rig.tasks.stop())
    await asyncio.sleep(0)
    may_end.set()
    await stopping
    assert carrier.asked == ["hang_up"], "and the release is cancelled"


class SlowCarrier(CarrierDouble):
    """A carrier that takes as long as the test wants."""

    may_end: asyncio.Event

    async def hang_up(self, call: object) -> None:
        await self.may_end.wait()
        await super().hang_up(call)

    async def release(self, call: object) -> None:
        await asyncio.Event().wait()
