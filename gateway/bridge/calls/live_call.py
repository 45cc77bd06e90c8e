"""One running call: the page to read first.

Messages of both sockets come in by `on_text` and `on_connection_text`. Each becomes an event for
the call core, and all commands of that event are executed before anything else happens. Nothing
here awaits on that way: with an `await send()` in it, a `clear` would slip between the frames of
an answer that was already cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from random import uniform
from time import monotonic
from typing import Any

import structlog

from gateway.bridge.calls.agents_in_use import AgentsVersion
from gateway.bridge.calls.call_clock import CallClock
from gateway.bridge.calls.carriers import Carrier
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.result_collection import collects_result
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.tool_runner import ToolRunner
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.call_info import CallInfo
from gateway.call.commands import SendToCaller, SendToModel
from gateway.call.context import NOTHING, Out
from gateway.call.endings import Ending
from gateway.call.machine import CallMachine
from gateway.call.state_machines import CallPhase
from gateway.errors import LinkError, PeerError
from gateway.limits.model import RENEW_SPREAD_S
from gateway.limits.sockets import CALLER_MESSAGE_MAX_BYTES, FAULTS_MAX
from gateway.protocols import media_stream, realtime_codec, realtime_server
from gateway.protocols.media_stream import UNREADABLE, Media, decode
from gateway.transports.media_socket import MediaSocket

log = structlog.get_logger()


class LiveCall:
    """One call of this process: its core, its sockets and its carrier.

    The core decides, this class executes; what differs by the way the call came in is the
    carrier's business.
    """

    def __init__(
        self,
        facts: CallInfo,
        machine: CallMachine,
        carrier: Carrier,
        services: CallServices,
        agents: AgentsVersion,
    ) -> None:
        self.facts, self.machine, self.agents = facts, machine, agents
        self.bill = services.open_bill(facts, machine.agent)
        self.media: MediaSocket | None = None
        self.attached = False
        """Whether its session was connected to at least once."""
        self.released = False
        """Whether another process steers the call now, and its leg goes on."""
        self._carrier, self._services = carrier, services
        self._model: ModelConnection | None = None
        self._next: ModelConnection | None = None
        """Session opened beside the one in use, before that one's hour is up."""
        self._clock = CallClock(machine, self._execute_all, self._break)
        self._faults: Counter[str] = Counter()
        self._tools: ToolRunner | None = ToolRunner(
            lambda: self.facts,
            agents.toolbox,
            services.tasks,
            self.notify,
            partial(services.publish, self),
            lambda: self.machine.briefing,
        )
        # For each frame: found once.
        self._pass_up, self._note_up = machine.pass_up, services.added.up.note

    def begin(self, *, open_session: bool) -> None:
        """Start the clock, and on a media call the session; SIP opens a sideband once accepted."""
        if open_session:
            self._model = self._open_session(0.0, self.machine.agent.model)
        self._clock.set_timer()

    def start_stream(self, start: media_stream.Start, media: MediaSocket, now: float) -> None:
        """Attach the caller's stream; from here on this call is its receiver."""
        self.media = media
        media.take_over(self)
        self._handle(start, now)

    # --- From the process ---

    def hang_up(self, ending: Ending) -> None:
        self.notify(inputs.HangUpRequested(ending))

    def spend_reached(self, share: float) -> None:
        self.notify(inputs.SpendLimitReached(share))

    def ask(self, request: inputs.OperatorRequest) -> bool:
        """Pass on an operator's request. False while nobody talks or the model does not hear."""
        if not self.machine.takes_operator_requests:
            return False
        self.notify(request)
        return True

    def show(self, sent: inputs.CallerMessageReceived | inputs.CameraFrameReceived) -> bool:
        """Show the model what the caller sent. False once the conversation is over."""
        if not self.machine.takes_pictures:
            return False
        self.notify(sent)
        return True

    def allow(self, approval_id: str, approve: bool) -> str | None:
        """Answer a tool's approval request; return how it stands now, None for an unknown one."""
        self.notify(inputs.ApprovalAnswered(approval_id, approve))
        return self.machine.approval(approval_id)

    @property
    def over(self) -> bool:
        return self.machine.phase is CallPhase.CLOSED

    # --- SIP legs ---

    def accepted(self) -> None:
        """The vendor accepted the leg: open its sideband at once."""
        if self.over:  # it ended while it was being accepted, and its leg could not
            return self.start_hang_up()
        self.notify(inputs.CallAccepted())
        return self._attach()

    def adopted(self) -> None:
        """Another process had the call: its leg is there, its session went on meanwhile."""
        self.attached = True
        self.notify(inputs.CallAccepted())
        self._attach()

    def accept_failed(self) -> None:
        """The vendor did not accept the leg: there is none to end."""
        self._execute_all(self.machine.give_up(monotonic()))
        self._clock.set_timer()

    def leg_ended(self) -> None:
        """The carrier reports that the call has ended."""
        self.notify(inputs.SipCallEnded())

    def lose_lease(self) -> None:
        """Another process steers the call now: end here, and leave the leg alone."""
        self.released = True
        self.hang_up(Ending.DRAINED)

    def mark_released(self) -> None:
        self.released = True

    # --- From the caller ---

    def on_text(self, data: bytes | bytearray, now: float) -> None:
        if len(data) > CALLER_MESSAGE_MAX_BYTES:
            return self._fault("caller", "oversized_message", now)
        try:
            # The first step of `parse`; its second one comes below. It saves a call for each frame.
            event = decode(data)
        except UNREADABLE as error:
            return self._on_odd_text(data, error, now)
        if type(event) is Media:
            # A frame of the caller's, fifty times a second: on to the model. A function that an
            # instance has is named before it is called: Python 3.11 finds it in half the time.
            pass_up, note, model = self._pass_up, self._note_up, self._model
            try:
                message = pass_up(event, now)
                if message is None:
                    self._handle(event, now)
                elif model is not None:
                    post = model.post
                    post(message)
            except Exception as error:
                return self._break(error, now)
            return note(monotonic() - now)
        return self._handle(event, now)

    def _on_odd_text(self, data: bytes | bytearray, cause: Exception, now: float) -> None:
        """Handle what does not decode at once: an unknown or repaired message, or none."""
        try:
            event = media_stream.parse_odd(data, cause)
        except PeerError as error:
            return self._fault("caller", error.kind, now)
        if type(event) is media_stream.UnknownMessage:
            return self._handle(inputs.PeerFaultSeen("caller", "unknown_event"), now)
        if type(event) is media_stream.RepairedMessage:
            self._handle(inputs.PeerFaultSeen("caller", "odd_field", event.fields), now)
            event = event.message
        return self._handle(event, now)

    def on_binary(self, now: float) -> None:
        self._fault("caller", "binary", now)

    def on_flood(self, now: float) -> None:
        log.warning("media_stream_flooded", call_sid=self.facts.key)
        self._handle(inputs.PeerFaultSeen("caller", "flood"), now)
        self._handle(inputs.HangUpRequested(Ending.MEDIA_BROKEN), now)

    def on_closed(self, now: float) -> None:
        self.media = None
        self._handle(inputs.CallerLost(), now)

    # --- From the model ---

    def on_connection_open(self, connection: ModelConnection) -> None:
        """Report that the socket is open; a media call waits for its first event instead."""
        if connection is self._model:
            self.attached = True
            self.notify(inputs.ModelOpened())

    def on_connection_text(
        self, connection: ModelConnection, data: bytes | bytearray, now: float
    ) -> None:
        try:
            event = realtime_codec.parse(data)
        except PeerError as error:
            return self._fault("model", error.kind, now)
        if isinstance(event, realtime_server.UnknownEvent):
            return self._handle(inputs.PeerFaultSeen("model", "unknown_event"), now)
        if type(event) is realtime_server.RepairedEvent:
            self._handle(inputs.PeerFaultSeen("model", "odd_field", event.fields), now)
            event = event.event
        if connection is not self._model:
            return self._handle(inputs.NextSessionEvent(event), now)
        self._handle(event, now)
        if type(event) is realtime_server.AudioDelta:
            self._services.added.down.observe(monotonic() - now)
        return None

    def on_connection_lost(
        self, connection: ModelConnection, reason: str, refused: bool, now: float
    ) -> None:
        if connection is self._model:
            self._model = None
            self._handle(inputs.ModelLost(reason, refused), now)
        elif connection is self._next:
            self._next = None
            self._handle(inputs.NextSessionLost(reason), now)

    def new_connection(self) -> ModelConnection:
        self._model = ModelConnection(self)
        return self._model

    def _open_session(self, after_s: float, model: str) -> ModelConnection:
        connection = ModelConnection(self)
        self._start(self._try_session(connection, after_s, model), "open-model")
        return connection

    async def _try_session(self, connection: ModelConnection, after_s: float, model: str) -> None:
        try:
            await self._services.model.open_session(connection, self.facts, model, after_s)
        except LinkError as error:
            self.on_connection_lost(connection, error.reason, not error.retryable, monotonic())

    def _attach(self) -> None:
        self._start(self._services.model.open_sideband(self), "sideband")

    # --- The call core ---

    def notify(self, event: object) -> None:
        self._handle(event, monotonic())

    def _handle(self, event: object, now: float) -> None:
        try:
            out = self.machine.handle(event, now)
        except Exception as error:
            return self._break(error, now)
        if out is not NOTHING:
            if out:
                self._execute_all(out)
            self._clock.set_timer()
        return None

    def _fault(self, peer: str, kind: str, now: float) -> None:
        """Count a message that could not be read; after too many that end is given up."""
        self._faults[peer] += 1
        self._handle(inputs.PeerFaultSeen(peer, kind), now)
        if self._faults[peer] != FAULTS_MAX:
            return
        if peer == "caller":
            self._handle(inputs.HangUpRequested(Ending.MEDIA_BROKEN), now)
        else:
            self._close_model()
            self._handle(inputs.ModelLost("noise"), now)

    def _execute_all(self, out: Sequence[Out]) -> None:
        """Execute all of it, though one fails: the last may be that the call has ended."""
        failed = None
        for one in out:
            try:
                self._execute(one)
            except Exception as error:
                failed = failed or error
        if self.media is not None:
            self.media.flush()
        if failed is not None:
            self._break(failed, monotonic())

    def _execute(self, one: Out) -> None:
        # Sound first, for each frame; everything else is rare.
        if isinstance(one, SendToModel):
            if self._model is not None:
                self._model.post(one.data)
            return
        if isinstance(one, SendToCaller):
            if self.media is not None:
                self.media.post(one.data)
            return
        match one:
            case do.SendToNextSession():
                if self._next is not None:
                    self._next.post(one.data)
            case do.OpenModel():
                self._replace_model(one.after_s)
            case do.OpenNextSession():
                self._next = self._open_session(0.0, one.model)
            case do.SwitchToNextSession():
                self._switch_to_next()
            case do.CloseNextSession():
                self._close_next()
            case do.CloseModel():
                if collects_result(self, self._model, self._services):
                    self._model = None  # its session has one more thing to say
                self._close_model()
            case do.ReattachSideband():
                self._attach()
            case do.CloseCaller():
                self._carrier.close(self)
            case do.HangUp():
                self.start_hang_up()
            case do.TransferCaller():
                self._start(self._carrier.transfer(self, one), "transfer")
            case do.CollectSecret():
                self._start(self._carrier.collect(self, one), "collect")
            case do.ReleaseCall():
                self._start(self._carrier.release(self), "release")
            case do.RunTool() | do.CancelTool() | do.DetachTool():
                if self._tools is not None:
                    self._tools.execute(one)
            case events.AgentChanged():
                self.facts = replace(self.facts, agent=one.agent)
                of_agent = self._services.open_bill(self.facts, self.machine.agent)
                self.bill.change_agent(one.agent, of_agent.limit_usd)
                self._services.publish(self, one)
            case _:
                self._services.publish(self, one)
                if isinstance(one, events.CallEnded):
                    self._let_go()

    def _break(self, error: Exception, now: float) -> None:
        """End this call, and nothing else, because of a bug of ours."""
        log.error("call_broke", call_sid=self.facts.key, exc_info=error)
        self._execute_all(self.machine.abandon(now))
        self._clock.set_timer()

    def _let_go(self) -> None:
        """The call is over: break its circles of references. A tool that runs on has its runner."""
        self.machine.release()
        self._clock.release()
        self._tools = None

    # --- Opening and closing ---

    def start_hang_up(self) -> None:
        self._start(self._carrier.hang_up(self), "hang-up", last=True)

    def _start(self, work: Coroutine[Any, Any, None], name: str, *, last: bool = False) -> None:
        self._services.tasks.start(work, f"{name} {self.facts.key}", last=last)

    def _replace_model(self, after_s: float) -> None:
        if self._model is not None:
            self._model.close()
        self._faults["model"] = 0
        # Spread, for all calls may have lost the model in the same moment.
        pause_s = after_s * uniform(0.5, 1.5) + uniform(0.0, RENEW_SPREAD_S)  # noqa: S311
        self._model = self._open_session(pause_s, self.machine.agent.model)

    def _switch_to_next(self) -> None:
        if self._model is not None:
            self._model.close()
        self._model, self._next = self._next, None

    def _close_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None

    def _close_model(self) -> None:
        self._close_next()
        if self._model is not None:
            self._model.close()
            self._model = None
