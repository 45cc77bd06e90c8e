"""One running call: the page to read first.

Messages of both sockets come in by `on_text` and `on_model_text`, each becomes an event for the
mind, and all commands of that event are carried out before anything else happens. Nothing here
awaits on that way: with an `await send()` in it, a `clear` would slip between the frames of an
answer that was already cut.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import methodcaller
from random import uniform
from time import monotonic
from typing import Final
from urllib.parse import quote

import structlog

from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.services import CallServices
from gateway.bridge.calls.tool_runner import ToolRunner
from gateway.call import commands as do
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.call.context import NOTHING, Out
from gateway.call.endings import Ending
from gateway.call.history import HistoryItem
from gateway.call.machine import CallMachine
from gateway.call.state_machines import CallPhase
from gateway.errors import LinkError, PeerError
from gateway.limits.call import HANGUP_CONFIRM_MAX_S
from gateway.limits.model import MODEL_TRY_MAX_S, RENEW_SPREAD_S
from gateway.limits.sockets import CALLER_MESSAGE_MAX_BYTES, FAULTS_MAX, TIMER_GRAIN_S
from gateway.protocols import media_stream, realtime_server
from gateway.transports.media_socket import MediaSocket

log = structlog.get_logger()

_STEPS: Final[Mapping[type, Callable[[LiveCall], None]]] = {  # they say no more than their name
    do.SwitchToNextSession: methodcaller("_take_next"),
    do.CloseNextSession: methodcaller("_close_next"),
    do.CloseModel: methodcaller("_close_model"),
    do.CloseCaller: methodcaller("_close_media"),
    do.HangUp: methodcaller("_start_hang_up"),
    do.ReattachSideband: methodcaller("_reattach"),
}


class LiveCall:
    def __init__(self, facts: CallInfo, machine: CallMachine, services: CallServices) -> None:
        self.facts, self.machine = facts, machine
        self.left = False
        """Whether another process has it now, and its leg goes on."""
        self.bill = services.open_bill(facts, machine.agent)
        self._hands = services
        self._media: MediaSocket | None = None
        self._model: ModelConnection | None = None
        self._next: ModelConnection | None = (
            None  # opened beside the one in use, before its hour is up
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._faults: Counter[str] = Counter()
        self._functions = ToolRunner(facts, services.toolbox, services.tasks, self._hear_now)
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Opens the model's socket and starts the clock."""
        self._model = self._open_line(0.0)
        self._reschedule()

    def arrive(self, start: media_stream.Start, media: MediaSocket, now: float) -> None:
        """The caller's stream has started; from here on this call hears it."""
        self._media = media
        media.take_over(self)
        self._hear(start, now)

    def said_before(self, mulaw: bytes) -> None:
        """On the stream that broke, or was left."""
        self._hear(inputs.EarlierTranscriptFound(mulaw), monotonic())

    def remember(self, memos: list[HistoryItem]) -> None:
        """What its last stream's process wrote down at the end."""
        self._hear(inputs.HistoryRestored(memos), monotonic())

    def hang_up(self, ending: Ending) -> None:
        self._hear(inputs.HangUpRequested(ending), monotonic())

    def hand_over(self, *, now: bool) -> None:
        """This process stops: another one is to go on with the call."""
        self._hear(inputs.HandOverRequested(now), monotonic())

    def answered_by(self, who: str) -> None:
        """The carrier has found out: `human`, `machine`, `fax` or `unknown`."""
        self._hear(inputs.MachineDetectionFinished(who), monotonic())

    def spend_reached(self, share: float) -> None:
        """So much of what the call may cost is used."""
        self._hear(inputs.SpendLimitReached(share), monotonic())

    def ask(self, wish: inputs.OperatorRequest) -> bool:
        """An operator's wish. False while nobody talks, or the model does not hear."""
        if not self.machine.takes_operator_requests:
            return False
        self._hear(wish, monotonic())
        return True

    def show(self, sent: inputs.CallerMessageReceived | inputs.CameraFrameReceived) -> bool:
        """What the caller sent beside speaking. False once the conversation is over."""
        if not self.machine.takes_pictures:
            return False
        self._hear(sent, monotonic())
        return True

    def allow(self, approval_id: str, approve: bool) -> str | None:
        """An operator's word on a tool: how the request stands now, None for none such."""
        self._hear(inputs.ApprovalAnswered(approval_id, approve), monotonic())
        return self.machine.approval(approval_id)

    @property
    def over(self) -> bool:
        return self.machine.phase is CallPhase.CLOSED

    # --- From the caller ---

    def on_text(self, data: bytes | bytearray, now: float) -> None:
        if len(data) > CALLER_MESSAGE_MAX_BYTES:
            return self._fault("caller", "oversized_message", now)
        try:
            event = media_stream.parse(data)
        except PeerError as error:
            return self._fault("caller", error.kind, now)
        if type(event) is media_stream.Media:
            return self._hear_frame(event, now)
        known = not isinstance(event, media_stream.UnknownMessage)
        return self._hear(event if known else inputs.PeerFaultSeen("caller", "unknown_event"), now)

    def on_binary(self, now: float) -> None:
        self._fault("caller", "binary", now)

    def on_closed(self, now: float) -> None:
        self._media = None
        self._hear(inputs.CallerLost(), now)

    def _hear_frame(self, event: media_stream.Media, now: float) -> None:
        """Fifty times a second."""
        try:
            message = self.machine.pass_up(event, now)
            if message is None:
                self._hear(event, now)
            elif self._model is not None:
                self._model.post(message)
        except Exception as error:
            return self._break(error, now)
        return self._hands.added.up.observe(monotonic() - now)

    # --- From the model ---

    def on_line_open(self, line: ModelConnection) -> None:
        """Its first event tells more."""

    def on_line_text(self, line: ModelConnection, data: bytes | bytearray, now: float) -> None:
        try:
            event = realtime_server.parse(data)
        except PeerError as error:
            return self._fault("model", error.kind, now)
        if isinstance(event, realtime_server.UnknownEvent):
            return self._hear(inputs.PeerFaultSeen("model", "unknown_event"), now)
        if line is not self._model:
            return self._hear(inputs.NextSessionEvent(event), now)
        self._hear(event, now)
        if type(event) is realtime_server.AudioDelta:
            self._hands.added.down.observe(monotonic() - now)
        return None

    def on_line_lost(self, line: ModelConnection, reason: str, refused: bool, now: float) -> None:
        if line is self._model:
            self._model = None
            self._hear(inputs.ModelLost(reason, refused), now)
        elif line is self._next:
            self._next = None
            self._hear(inputs.NextSessionLost(reason), now)

    def _open_line(self, after_s: float) -> ModelConnection:
        line = ModelConnection(self)
        self._hands.tasks.start(self._try(line, after_s), f"open model {self.facts.key}")
        return line

    async def _try(self, line: ModelConnection, after_s: float) -> None:
        """One try; the mind decides on the next one."""
        if after_s:
            await asyncio.sleep(after_s)
        await self._hands.start_pacer.enter()
        if line.given_up:
            return
        url = f"{self._hands.realtime_url}?model={quote(self.machine.agent.model, safe='')}"
        try:
            await line.open(url, self._hands.model_headers(self.facts), MODEL_TRY_MAX_S)
        except LinkError as error:
            self.on_line_lost(line, error.reason, not error.retryable, monotonic())

    # --- The mind ---

    def _hear_now(self, event: object) -> None:
        self._hear(event, monotonic())

    def _hear(self, event: object, now: float) -> None:
        try:
            out = self.machine.handle(event, now)
        except Exception as error:
            return self._break(error, now)
        if out is not NOTHING:
            self._act(out)
            self._reschedule()
        return None

    def _fault(self, peer: str, kind: str, now: float) -> None:
        """A message that could not be read; after too many of them nothing of that end is."""
        self._faults[peer] += 1
        self._hear(inputs.PeerFaultSeen(peer, kind), now)
        if self._faults[peer] != FAULTS_MAX:
            return
        if peer == "caller":
            self._hear(inputs.HangUpRequested(Ending.MEDIA_BROKEN), now)
        else:
            self._close_model()
            self._hear(inputs.ModelLost("noise"), now)

    def _act(self, out: Sequence[Out]) -> None:
        """All of it, whatever fails on the way: the last may be that the call has ended."""
        failed = None
        for one in out:
            try:
                self._carry_out(one)
            except Exception as error:
                failed = failed or error
        if self._media is not None:
            self._media.flush()
        if failed is not None:
            self._break(failed, monotonic())

    def _carry_out(self, one: Out) -> None:
        kind = type(one)
        if kind is do.SendToModel:
            if self._model is not None:
                self._model.post(one.data)  # type: ignore[union-attr] # its kind was checked
        elif kind is do.SendToCaller:
            if self._media is not None:
                self._media.post(one.data)  # type: ignore[union-attr]
        elif kind is do.SendToNextSession:
            if self._next is not None:
                self._next.post(one.data)  # type: ignore[union-attr]
        elif kind is do.OpenModel:
            self._replace_model(one.after_s)  # type: ignore[union-attr]
        elif kind is do.OpenNextSession:
            self._next = self._open_line(0.0)
        elif kind is do.TransferCaller:
            self._hands.tasks.start(self._transfer(one), f"transfer {self.facts.key}")  # type: ignore[arg-type]
        elif kind is do.ReleaseCall:
            self._hands.tasks.start(self._hand_over(), f"hand over {self.facts.key}")
        elif kind is do.RunTool:
            self._functions.run(one)  # type: ignore[arg-type]
        elif kind is do.CancelTool:
            self._functions.cancel(one.call_id)  # type: ignore[union-attr]
        elif (step := _STEPS.get(kind)) is not None:
            step(self)
        else:
            self._hands.publish(self, one)  # type: ignore[arg-type] # what is left is a note

    def _break(self, error: Exception, now: float) -> None:
        """Our own bug ends this call, under its name, and nothing else."""
        log.error("a call broke", call=self.facts.key, exc_info=error)
        self._act(self.machine.abandon(now))
        self._reschedule()

    # --- Time ---

    def _reschedule(self) -> None:
        """A timer that is too early is harmless; one that is too late is replaced."""
        deadline = self.machine.deadline
        if deadline is None:
            self._stop_timer()
        elif self._timer is None or deadline < self._timer_at:
            self._stop_timer()
            self._timer_at = deadline
            delay_s = max(0.0, deadline - monotonic()) + TIMER_GRAIN_S
            self._timer = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer, now = None, monotonic()
        try:
            out = self.machine.tick(now)
        except Exception as error:
            return self._break(error, now)
        self._act(out)
        return self._reschedule()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- Closing ---

    def _start_hang_up(self) -> None:
        self._hands.tasks.start(self._hang_up(), f"hang up {self.facts.key}", last=True)

    async def _hang_up(self) -> None:
        """Ends the telephone call; the stream then ends by itself, or is closed."""
        try:
            await self._hands.rest.hang_up(self.facts.call_sid)
        except LinkError as error:
            self._closes_instead("end", error)
        else:
            if self._media is not None:
                await self._media.gone_within(HANGUP_CONFIRM_MAX_S)
        self._close_media()

    async def _transfer(self, to: do.TransferCaller) -> None:
        """Takes the call out of its stream; `stop` tells that it has worked."""
        document = self._hands.transfer_document(self.facts, to, self.machine.agent.language)
        try:
            await self._hands.rest.redirect(self.facts.call_sid, await document)
        except LinkError as error:
            self._hear(inputs.TransferFailed(error.reason), monotonic())

    async def _hand_over(self) -> None:
        """`stop` tells that it has worked; where it does not, closing the stream comes to that."""
        try:
            await self._hands.hand_over(self)
        except LinkError as error:
            self._closes_instead("redirect", error)
            self._hear(inputs.TransferFailed(error.reason), monotonic())

    def _closes_instead(self, what: str, error: LinkError) -> None:
        event = f"could not {what} the call over REST; closing its stream instead"
        log.warning(event, call_sid=self.facts.call_sid, reason=error.reason)

    def _replace_model(self, after_s: float) -> None:
        """The pauses of all calls that lost the model in the same moment are not the same."""
        if self._model is not None:
            self._model.close()
        self._faults["model"] = 0
        pause_s = after_s * uniform(0.5, 1.5) + uniform(0.0, RENEW_SPREAD_S)  # noqa: S311
        self._model = self._open_line(pause_s)

    def _take_next(self) -> None:
        if self._model is not None:
            self._model.close()
        self._model, self._next = self._next, None

    def _close_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None

    def _reattach(self) -> None:
        """SIP only."""

    def _close_model(self) -> None:
        self._close_next()
        if self._model is not None:
            self._model.close()
            self._model = None

    def _close_media(self) -> None:
        if self._media is not None:
            self._media.close()
