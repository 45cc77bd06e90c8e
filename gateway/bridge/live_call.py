"""One running call: the page to read first.

Messages of both sockets come in by `on_text` and `on_model_text`, each becomes an event for the
mind, and all commands of that event are carried out before anything else happens. Nothing here
awaits on that way: with an `await send()` in it, a `clear` would slip between the frames of an
answer that was already cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from gateway.bridge.tasks import Tasks
from gateway.call import commands as do
from gateway.call import inputs, notes
from gateway.call.conversation import Conversation
from gateway.call.desk import Out
from gateway.call.endings import Ending
from gateway.call.states import Life
from gateway.errors import LinkError, PeerError
from gateway.limits import (
    CALLER_MESSAGE_MAX_BYTES,
    FAULTS_MAX,
    HANGUP_CONFIRM_MAX_S,
    MODEL_CONNECT_TRIES,
)
from gateway.ops.latency import AddedLatency
from gateway.protocols import media_stream, realtime_server
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import Toolbox
from gateway.transports import realtime_socket
from gateway.transports.realtime_socket import RealtimeSocket
from gateway.transports.twilio_rest import TwilioRest

if TYPE_CHECKING:
    from gateway.transports.media_socket import MediaSocket

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call before a word is spoken."""

    call_sid: str
    """Twilio's; "" for a call that came over a trunk without it."""
    caller: str
    dialled: str
    agent: str
    path: str
    """`media-streams` or `sip`."""
    call_id: str = ""
    """OpenAI's, on the SIP path."""

    @property
    def key(self) -> str:
        """What the call is known by in this process."""
        return self.call_id or self.call_sid


@dataclass(frozen=True, slots=True)
class Hands:
    """What every call of this process shares."""

    realtime_url: str
    model_headers: Callable[[CallFacts], dict[str, str]]
    rest: TwilioRest
    transfer_document: Callable[[str, str], str]
    """TwiML that dials a number or SIP address, with words in a language."""
    toolbox: Toolbox
    referred: Callable[[str, str], None]
    """Told, before it happens, that the call of a CallSid is being referred, and to whom."""
    tasks: Tasks
    publish: Callable[[LiveCall, notes.Note], None]
    added: AddedLatency


class LiveCall:
    def __init__(self, facts: CallFacts, mind: Conversation, hands: Hands) -> None:
        self.facts, self.mind = facts, mind
        self._hands = hands
        self._media: MediaSocket | None = None
        self._model: RealtimeSocket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._faults = 0
        self._tools: dict[str, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Opens the model's socket and starts the clock."""
        self._hands.tasks.start(self._open_model(), f"open model {self.facts.key}")
        self._reschedule()

    def arrive(self, start: media_stream.Start, media: MediaSocket, now: float) -> None:
        """The caller's stream has started; from here on this call hears it."""
        self._media = media
        media.take_over(self)
        self._hear(start, now)

    def hang_up(self, ending: Ending) -> None:
        self._hear(inputs.HangUpAsked(ending), monotonic())

    @property
    def over(self) -> bool:
        return self.mind.life is Life.CLOSED

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
        if isinstance(event, media_stream.Unknown):
            return self._fault("caller", "unknown_event", now)
        return self._hear(event, now)

    def on_binary(self, now: float) -> None:
        self._fault("caller", "binary", now)

    def on_closed(self, now: float) -> None:
        self._media = None
        self._hear(inputs.CallerLost(), now)

    def _hear_frame(self, event: media_stream.Media, now: float) -> None:
        """Fifty times a second. Only the first frame changes when the mind wants to be woken."""
        try:
            out = self.mind.handle(event, now)
        except Exception as error:
            return self._break(error, now)
        self._act(out)
        if len(out) != 1:
            self._reschedule()
        return self._hands.added.up.observe(monotonic() - now)

    # --- From the model ---

    def on_model_open(self, socket: RealtimeSocket) -> None:
        if self.over:
            socket.close()
        else:
            self._model = socket

    def on_model_text(self, data: bytes | bytearray, now: float) -> None:
        try:
            event = realtime_server.parse(data)
        except PeerError as error:
            return self._fault("model", error.kind, now)
        if isinstance(event, realtime_server.Unknown):
            return self._fault("model", "unknown_event", now)
        self._hear(event, now)
        if type(event) is realtime_server.AudioDelta:
            self._hands.added.down.observe(monotonic() - now)
        return None

    def on_model_lost(self, reason: str, refused: bool, now: float) -> None:
        self._model = None
        self._hear(inputs.ModelLost(reason, refused), now)

    async def _open_model(self) -> None:
        url = f"{self._hands.realtime_url}?model={self.mind.agent.model}"
        headers = self._hands.model_headers(self.facts)
        for left in reversed(range(MODEL_CONNECT_TRIES)):
            try:
                return await realtime_socket.connect(url, headers, self)
            except LinkError as error:
                if self.over:
                    return None
                if not error.retryable or not left:
                    return self.on_model_lost(error.reason, not error.retryable, monotonic())
        return None

    # --- The mind ---

    def _hear(self, event: object, now: float) -> None:
        try:
            out = self.mind.handle(event, now)
        except Exception as error:
            return self._break(error, now)
        self._act(out)
        return self._reschedule()

    def _fault(self, peer: str, kind: str, now: float) -> None:
        self._faults += 1
        self._hear(inputs.PeerFault(peer, kind), now)
        if self._faults == FAULTS_MAX:
            self._hear(inputs.HangUpAsked(Ending.MEDIA_BROKEN), now)

    def _act(self, out: Sequence[Out]) -> None:
        for one in out:
            kind = type(one)
            if kind is do.SendToModel:
                if self._model is not None:
                    self._model.post(one.data)  # type: ignore[union-attr] # its kind was checked
            elif kind is do.SendToCaller:
                if self._media is not None:
                    self._media.post(one.data)  # type: ignore[union-attr]
            elif kind is do.CloseModel:
                self._close_model()
            elif kind is do.CloseCaller:
                self._close_media()
            elif kind is do.HangUp:
                self._hands.tasks.start(self._hang_up(), f"hang up {self.facts.key}")
            elif kind is do.Transfer:
                self._hands.tasks.start(self._transfer(one.to), f"transfer {self.facts.key}")  # type: ignore[union-attr]
            elif kind is do.RunTool:
                self._run_tool(one)  # type: ignore[arg-type]
            elif kind is do.CancelTool:
                self._cancel_tool(one.call_id)  # type: ignore[union-attr]
            elif kind is do.Reattach:
                self._hands.tasks.start(self._open_model(), f"open model {self.facts.key}")
            else:
                self._hands.publish(self, one)  # type: ignore[arg-type] # what is left is a note

    def _break(self, error: Exception, now: float) -> None:
        """Our own bug ends this call, under its name, and nothing else."""
        log.error("a call broke", call=self.facts.key, exc_info=error)
        self._act(self.mind.abandon(now))
        self._reschedule()

    # --- Functions ---

    def _run_tool(self, command: do.RunTool) -> None:
        name = f"{command.name} for {self.facts.key}"
        self._tools[command.call_id] = self._hands.tasks.start(self._use_tool(command), name)

    async def _use_tool(self, command: do.RunTool) -> None:
        facts = self.facts
        context = ToolContext(facts.call_sid, facts.caller, facts.dialled, facts.agent)
        try:
            result = await self._hands.toolbox.run(command.name, command.arguments, context)
        finally:
            self._tools.pop(command.call_id, None)
        done = inputs.ToolFinished(command.call_id, result.output, result.outcome)
        self._hear(done, monotonic())

    def _cancel_tool(self, call_id: str) -> None:
        task = self._tools.pop(call_id, None)
        if task is not None:
            task.cancel()

    # --- Time ---

    def _reschedule(self) -> None:
        """A timer that is too early is harmless; one that is too late is replaced."""
        deadline = self.mind.deadline
        if deadline is None:
            self._stop_timer()
        elif self._timer is None or deadline < self._timer_at:
            self._stop_timer()
            self._timer_at = deadline
            self._timer = self._loop.call_later(max(0.0, deadline - monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = monotonic()
        try:
            out = self.mind.tick(now)
        except Exception as error:
            return self._break(error, now)
        self._act(out)
        return self._reschedule()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- Closing ---

    async def _hang_up(self) -> None:
        """Ends the telephone call; the stream then ends by itself, or is closed."""
        try:
            await self._hands.rest.hang_up(self.facts.call_sid)
        except LinkError as error:
            log.warning(
                "could not end the call over REST; closing its stream instead",
                call_sid=self.facts.call_sid,
                reason=error.reason,
            )
        else:
            if self._media is not None:
                await self._media.gone_within(HANGUP_CONFIRM_MAX_S)
        self._close_media()

    async def _transfer(self, to: str) -> None:
        """Takes the call out of its stream; `stop` tells that it has worked."""
        document = self._hands.transfer_document(to, self.mind.agent.language)
        try:
            await self._hands.rest.redirect(self.facts.call_sid, document)
        except LinkError as error:
            self._hear(inputs.TransferFailed(error.reason), monotonic())

    def _close_model(self) -> None:
        if self._model is not None:
            self._model.close()
            self._model = None

    def _close_media(self) -> None:
        if self._media is not None:
            self._media.close()
