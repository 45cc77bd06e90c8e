"""Where a media stream comes in: nothing reaches a call, or the model, before its token holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.bridge.live_call import CallFacts, LiveCall
from gateway.bridge.switchboard import Switchboard
from gateway.errors import NotAdmitted, PeerError, SignatureRefused
from gateway.limits import CALLER_MESSAGE_MAX_BYTES, FAULTS_MAX, START_WAIT_S
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
        refused: Callable[[str], None],
    ) -> None:
        self._socket, self._account_sid = socket, account_sid
        self._switchboard, self._tokens = switchboard, tokens
        self._refused = refused
        self._faults = 0
        self._timer = asyncio.get_running_loop().call_later(START_WAIT_S, self._refuse, "no_start")
        socket.take_over(self)

    def on_text(self, data: bytes | bytearray, now: float) -> None:
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

    def _tolerate(self) -> None:
        self._faults += 1
        if self._faults == FAULTS_MAX:
            self._refuse("noise")

    def _start(self, event: media_stream.Start, now: float) -> None:
        self._timer.cancel()
        start = event.start
        try:
            if start.account_sid != self._account_sid:
                raise SignatureRefused("other_account")
            token = start.custom_parameters.get("token", "")
            stream_pass = self._tokens.redeem(token, start.call_sid)
            call = self._call(start.call_sid, stream_pass.agent)
        except SignatureRefused as error:
            return self._refuse(error.reason)
        except NotAdmitted as error:
            return self._refuse(error.reason)
        return call.arrive(event, self._socket, now)

    def _call(self, call_sid: str, agent_name: str) -> LiveCall:
        """The call that was announced here, or a new one if the webhook went elsewhere."""
        call = self._switchboard.expected(call_sid)
        if call is not None:
            return call
        if self._switchboard.media_call(call_sid) is not None:
            raise SignatureRefused("second_stream")
        agent = self._switchboard.book.agents.get(agent_name)
        if agent is None:
            raise NotAdmitted("unknown_agent")
        facts = CallFacts(call_sid, caller="", dialled="", agent=agent_name, path="media-streams")
        return self._switchboard.announce(facts, agent)

    def _refuse(self, reason: str) -> None:
        self._timer.cancel()
        self._refused(reason)
        log.warning("media stream refused", reason=reason)
        self._socket.close(_POLICY_VIOLATION)
