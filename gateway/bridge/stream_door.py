"""Where a media stream comes in: nothing reaches a call, or the model, before its token holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from gateway.bridge.keeper import Keeper
from gateway.bridge.live_call import LiveCall
from gateway.bridge.switchboard import Switchboard
from gateway.call.facts import CallFacts
from gateway.call.state import CallState
from gateway.errors import NotAdmitted, PeerError, SignatureRefused
from gateway.limits import (
    CALLER_MESSAGE_MAX_BYTES,
    EARLY_MESSAGES_MAX,
    FAULTS_MAX,
    START_WAIT_S,
)
from gateway.ops.tokens import StreamTokens
from gateway.protocols import media_stream
from gateway.transports.media_socket import MediaSocket

log = structlog.get_logger()
_POLICY_VIOLATION = 1008


class StreamDoor:
    """Listens to one socket until `start`, then passes it on to its call, or closes it."""

    def __init__(
        self,
        socket: MediaSocket,
        account_sid: str,
        switchboard: Switchboard,
        tokens: StreamTokens,
        keeper: Keeper,
        refused: Callable[[str], None],
    ) -> None:
        self._socket, self._account_sid = socket, account_sid
        self._switchboard, self._tokens = switchboard, tokens
        self._keeper, self._refused = keeper, refused
        self._faults = 0
        self._early: list[bytes] = []
        """What came while the token was looked up."""
        self._work: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(START_WAIT_S, self._refuse, "no_start")
        socket.take_over(self)

    def on_text(self, data: bytes | bytearray, now: float) -> None:
        if self._work is not None:
            return self._wait(data)
        try:
            if len(data) > CALLER_MESSAGE_MAX_BYTES:
                raise PeerError("oversized_message")
            event = media_stream.parse(data)
        except PeerError:
            return self._tolerate()
        if isinstance(event, media_stream.Start):
            return self._start(event, now)
        if not isinstance(event, media_stream.Connected):
            return self._tolerate()
        return None

    def on_binary(self, now: float) -> None:  # noqa: ARG002 - the receiver's shape
        self._tolerate()

    def on_closed(self, now: float) -> None:  # noqa: ARG002
        self._timer.cancel()

    def _wait(self, data: bytes | bytearray) -> None:
        if len(self._early) < EARLY_MESSAGES_MAX and len(data) <= CALLER_MESSAGE_MAX_BYTES:
            self._early.append(bytes(data))

    def _tolerate(self) -> None:
        self._faults += 1
        if self._faults == FAULTS_MAX:
            self._refuse("noise")

    def _start(self, event: media_stream.Start, now: float) -> None:
        self._timer.cancel()
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._let_in(event, now))

    async def _let_in(self, event: media_stream.Start, now: float) -> None:
        start = event.start
        try:
            if start.account_sid != self._account_sid:
                raise SignatureRefused("other_account")
            token = start.custom_parameters.get("token", "")
            stream_pass = await self._tokens.redeem(token, start.call_sid)
            state = await self._keeper.known(start.call_sid)
            call = await self._call(start.call_sid, stream_pass.agent, state)
            if call.mind.resumed and state is not None and state.arrived:
                call.remember(state.memos)
                if sound := await self._keeper.sound(start.call_sid):
                    call.said_before(sound)
        except (SignatureRefused, NotAdmitted) as error:
            return self._refuse(error.reason)
        except Exception:
            log.exception("a media stream could not be let in")
            return self._refuse("bug")
        if call.over:  # while that was looked up, and it had no socket yet that it could close
            return self._refuse("over")
        call.arrive(event, self._socket, now)
        for message in self._early:
            call.on_text(message, monotonic())
        return None

    async def _call(self, call_sid: str, agent_name: str, state: CallState | None) -> LiveCall:
        """The call that was announced here, or a new one if the webhook went elsewhere."""
        switchboard = self._switchboard
        waiting = switchboard.expected(call_sid)
        if waiting is None and switchboard.media_call(call_sid) is not None:
            raise SignatureRefused("second_stream")
        ending = await switchboard.ending_of(call_sid) if waiting is None else None
        if ending is not None and ending.well:
            raise NotAdmitted("over")  # hung up while its stream was on the way
        # Announced here, it may have been elsewhere meanwhile, and this one knows nothing of it.
        if waiting is None or (state is not None and state.streams > waiting.mind.streams):
            await self._announce(call_sid, agent_name, state)
        call = switchboard.expected(call_sid)
        if call is None:
            raise SignatureRefused("second_stream")
        return call

    async def _announce(self, call_sid: str, agent_name: str, state: CallState | None) -> None:
        agent = self._switchboard.book.agents.get(agent_name)
        if agent is None:
            raise NotAdmitted("unknown_agent")
        caller, dialled = (state.caller, state.dialled) if state else ("", "")
        out = await self._switchboard.dials.find(call_sid)
        if out is not None:
            caller, dialled = out.person, out.ours
        facts = CallFacts(
            call_sid, caller, dialled, agent_name, "media-streams",
            direction="inbound" if out is None else "outbound",
        )  # fmt: skip
        before = state if state is not None and state.arrived else None
        self._switchboard.announce(facts, agent, state.opening if state else None, before)

    def _refuse(self, reason: str) -> None:
        self._timer.cancel()
        self._refused(reason)
        log.warning("media stream refused", reason=reason)
        self._socket.close(_POLICY_VIOLATION)
