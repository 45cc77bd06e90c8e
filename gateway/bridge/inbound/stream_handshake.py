"""Handshake of a media stream: nothing reaches a call or the model before it is admitted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway import limits
from gateway.bridge.calls.live_call import LiveCall
from gateway.call import inputs
from gateway.errors import NotAdmitted, PeerError, SignatureRefused
from gateway.protocols import media_stream
from gateway.transports.media_socket import MediaSocket

log = structlog.get_logger()
_POLICY_VIOLATION = 1008

LetIn = Callable[[media_stream.StartBody], Awaitable[LiveCall]]
"""Return the call of a stream by its `start`. Raises SignatureRefused, NotAdmitted."""


class StreamHandshake:
    """Receiver of one socket until `start`; then its call takes over, or it is closed."""

    def __init__(
        self,
        socket: MediaSocket,
        let_in: LetIn,
        refused: Callable[[str], None],
        *,
        says_why: bool = False,
        answer: Callable[[LiveCall], Awaitable[bytes]] | None = None,
        start_wait_s: float = limits.call.START_WAIT_S,
    ) -> None:
        """`says_why` also sends the peer the reason of a refusal; `answer` returns the message
        that is sent on admission.
        """
        self._socket, self._admit, self._refused = socket, let_in, refused
        self._says_why, self._answer = says_why, answer
        self._faults = 0
        self._left_out: tuple[str, ...] = ()
        self._work: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(start_wait_s, self._refuse, "no_start")
        socket.take_over(self)

    def on_text(self, data: bytes | bytearray, now: float) -> None:
        try:
            if len(data) > limits.sockets.CALLER_MESSAGE_MAX_BYTES:
                raise PeerError("oversized_message")
            event = media_stream.parse(data)
        except PeerError:
            return self._tolerate()
        if isinstance(event, media_stream.RepairedMessage):
            self._left_out += event.fields
            event = event.message
        if isinstance(event, media_stream.Start):
            return self._start(event, now)
        if not isinstance(event, media_stream.Connected):
            return self._tolerate()
        return None

    def on_binary(self, now: float) -> None:  # noqa: ARG002 - the receiver's shape
        self._tolerate()

    def on_closed(self, now: float) -> None:  # noqa: ARG002
        self._timer.cancel()

    def on_flood(self, now: float) -> None:  # noqa: ARG002
        self._refuse("flood")

    def _tolerate(self) -> None:
        self._faults += 1
        if self._faults == limits.sockets.FAULTS_MAX:
            self._refuse("noise")

    def _start(self, event: media_stream.Start, now: float) -> None:
        self._timer.cancel()
        self._socket.pause()  # what comes next is for the call
        self._work = asyncio.get_running_loop().create_task(self._let_in(event, now))

    async def _let_in(self, event: media_stream.Start, now: float) -> None:
        try:
            call = await self._admit(event.start)
            answer = b"" if self._answer is None else await self._answer(call)
        except (SignatureRefused, NotAdmitted) as error:
            return self._refuse(error.reason)
        except Exception:
            log.exception("stream_admission_failed")
            return self._refuse("bug")
        if call.over:  # while that was looked up, and it had no socket yet that it could close
            return self._refuse("over")
        if answer:
            self._socket.post(answer)
            self._socket.flush()
        call.start_stream(event, self._socket, now)
        if self._left_out:
            call.notify(inputs.PeerFaultSeen("caller", "odd_field", self._left_out))
        self._socket.release()
        return None

    def _refuse(self, reason: str) -> None:
        self._timer.cancel()
        self._refused(reason)
        log.warning("stream_refused", reason=reason)
        self._socket.close(_POLICY_VIOLATION, reason if self._says_why else "")
        self._socket.release()  # for the peer's answer to that
