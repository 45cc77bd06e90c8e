"""Twilio's media WebSocket, served without a queue between the wire and the call.

Uvicorn passes each message to the ASGI application through a queue and a task switch. Here a
handler may take the accepted socket over (`take_over`); from then on each message reaches its
`Receiver` inside `data_received`, and what it posts goes to the transport with its `flush`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Protocol, cast

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import OPEN

from gateway.errors import BugError
from gateway.limits.sockets import (
    CALLER_BACKLOG_MAX_BYTES,
    CALLER_BURST_S,
    CALLER_BYTES_PER_S,
    CALLER_FRAME_MAX_BYTES,
    CALLER_MESSAGES_PER_S,
    CLOSE_MAX_S,
    SOCKET_MESSAGE_MAX_BYTES,
    WIDE_BYTES_PER_S,
)
from gateway.transports.paced_frames import PacedFrames
from gateway.transports.websocket_frames import FrameSplitter, text_frame

_EXTENSION: Final = "gateway.media"
_POLICY_VIOLATION: Final = 1008
_BURST_MESSAGES: Final = int(CALLER_MESSAGES_PER_S * CALLER_BURST_S)
_BURST_BYTES: Final = int(CALLER_BYTES_PER_S * CALLER_BURST_S)


class Receiver(Protocol):
    """Receiver of a socket's messages. Called from the event loop; must not block or raise."""

    def on_text(self, data: bytes | bytearray, now: float) -> None: ...

    def on_binary(self, now: float) -> None: ...

    def on_flood(self, now: float) -> None:
        """The peer sent too much in too short a time and is closed; `on_closed` comes next."""

    def on_closed(self, now: float) -> None: ...


class MediaSocket(WebSocketsSansIOProtocol):
    """One WebSocket of the server's; like uvicorn's own until it is taken over."""

    def __init__(
        self,
        *args: Any,
        close_max_s: float = CLOSE_MAX_S,
        backlog_max_bytes: int = CALLER_BACKLOG_MAX_BYTES,
        **kwargs: Any,
    ) -> None:
        """`close_max_s`: how long a peer may take to close; `backlog_max_bytes`: what a slow one
        may leave unread. The rest is uvicorn's.
        """
        super().__init__(*args, **kwargs)
        self._close_max_s, self._backlog_max_bytes = close_max_s, backlog_max_bytes
        self._receiver: Receiver | None = None
        self._splitter = FrameSplitter(masked=True, max_bytes=SOCKET_MESSAGE_MAX_BYTES)
        self._paced = PacedFrames(self._splitter, self._on_part, self.loop)
        self._messages_left, self._bytes_left = _BURST_MESSAGES, _BURST_BYTES
        self._bytes_per_s = CALLER_BYTES_PER_S
        self._budget_at = monotonic()
        self._unsent: list[bytes] = []
        self._is_open = False
        """Whether a call has the socket and the library's state is OPEN."""
        self._gone = asyncio.Event()

    # --- Taken over by a call ---

    def take_over(self, receiver: Receiver) -> None:
        """From here on the receiver hears this socket; may be called again to pass it on."""
        self._receiver = receiver
        self._look_at_state()
        if self._gone.is_set():
            self.loop.call_soon(receiver.on_closed, monotonic())

    def widen(self) -> None:
        """Allow for sound that is not compressed, as a browser's may be."""
        self._bytes_per_s = WIDE_BYTES_PER_S

    def pause(self) -> None:
        """Hear nothing until `release`; what comes meanwhile waits, and nothing of it is lost."""
        self._paced.pause(self.transport)

    def release(self) -> None:
        self._paced.release()

    def _look_at_state(self) -> None:
        """Follow what may have changed the library's state: asking for each frame is dear."""
        self._is_open = self._receiver is not None and self.conn.state is OPEN

    async def gone(self) -> None:
        """Returns when the connection has ended."""
        await self._gone.wait()

    async def gone_within(self, seconds: float) -> None:
        """Wait until the connection has ended, or for that time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)

    def post(self, payload: bytes) -> None:
        """One text message, with the next `flush`."""
        self._unsent.append(text_frame(payload))

    def flush(self) -> None:
        """Write what was posted, in order and at once; a closing socket drops it."""
        if not self._unsent:
            return
        unsent, self._unsent = self._unsent, []
        if not self._is_open or self.transport.is_closing():
            return
        self.transport.write(b"".join(unsent))
        if self.transport.get_write_buffer_size() > self._backlog_max_bytes:
            self.transport.abort()  # a reader this slow hears nothing in time any more

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Asks the peer to close, behind what was posted; cuts the connection if it does not."""
        self.flush()
        if self.conn.state is not OPEN or self.transport.is_closing():
            return
        self.close_sent = True
        self.conn.send_close(code, reason)
        self._look_at_state()
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._cut_soon()

    def _cut_soon(self) -> None:
        # Not `close`, which waits for all to be sent: to a peer that does not read, for ever.
        self.close_timer = self.loop.call_later(self._close_max_s, self.transport.abort)

    # --- What uvicorn calls ---

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[_EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return self._before_take_over(data)
        now, text = monotonic(), self._splitter.whole(data)
        if text is None:
            self._bytes_left -= len(data)
            return self._paced.take(data, self.transport)
        self._messages_left -= 1
        # The bytes of frames as short as usual are bounded by how many there are.
        if len(data) > CALLER_FRAME_MAX_BYTES:
            self._bytes_left -= len(data)
            if self._bytes_left < 0 and self._floods(now):
                return None
        if self._messages_left < 0 and self._floods(now):
            return None
        if self._is_open:
            receiver.on_text(text, now)
        return None

    def _before_take_over(self, data: bytes) -> None:
        if self.handshake_initiated and not self.handshake_complete:
            # No client may send a frame before the answer to its handshake (RFC 6455, 4.1).
            return self.transport.abort()
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.abort()  # a request that cannot be read: uvicorn would wait for more
        return None

    def _on_part(self, is_text: bool, part: bytes) -> None:
        """Handle a frame that did not come alone, or is no whole text."""
        now = monotonic()
        self._messages_left -= 1
        if (self._messages_left < 0 or self._bytes_left < 0) and self._floods(now):
            return
        if is_text:
            self._hear(part, now)
        elif not self.transport.is_closing():
            super().data_received(bytes(part))
            self._look_at_state()
            if self.transport.is_closing():  # by uvicorn: a close, or a breach of the protocol
                self._cut_soon()

    def _floods(self, now: float) -> bool:
        """Fill the budget up with what the time since then allows; close where that is not enough.

        Filled only when it is used up, it costs nothing on the way of a frame.
        """
        passed_s, self._budget_at = now - self._budget_at, now
        for_messages_s = -self._messages_left / CALLER_MESSAGES_PER_S
        for_bytes_s = -self._bytes_left / self._bytes_per_s
        messages = self._messages_left + int(passed_s * CALLER_MESSAGES_PER_S)
        size = self._bytes_left + int(passed_s * self._bytes_per_s)
        self._messages_left = min(_BURST_MESSAGES, messages)
        self._bytes_left = min(_BURST_BYTES, size)
        if max(for_messages_s, for_bytes_s) <= passed_s:
            return False
        self.close(_POLICY_VIOLATION, "flood")
        self._paced.drop(self.transport)
        if self._receiver is not None and not self._gone.is_set():
            self._receiver.on_flood(now)
        self._end()
        return True

    def _hear(self, text: bytes | bytearray, now: float) -> None:
        """Pass a message on, unless either end has closed."""
        if self._receiver is not None and self.conn.state is OPEN:
            self._receiver.on_text(text, now)

    def send_receive_event_to_app(self) -> None:
        """A message that took the library's way: binary, or put together from fragments."""
        if self._receiver is None:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        if self.curr_msg_data_type == "text":
            self._hear(data, monotonic())
        elif self.conn.state is OPEN:
            self._receiver.on_binary(monotonic())

    async def send(self, message: Any) -> None:
        """Send what the application sends through uvicorn, such as a close."""
        await super().send(message)
        self._look_at_state()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end()
        self._receiver = None
        # What refers back to this object, which is freed at once without it. A full collection of
        # what ten thousand strangers left takes a second, in which all calls stand still.
        self._paced.end()
        self.scope = {}  # type: ignore[typeddict-item]
        self.conn.parser.close()
        _forget_frames(self.conn.handshake_exc)
        _forget_frames(self.conn.parser_exc)

    def shutdown(self) -> None:
        """The server stops: a call ends by its own rules, any other socket like uvicorn's."""
        if self._receiver is None:
            super().shutdown()

    def _end(self) -> None:
        if self._gone.is_set():
            return
        self._gone.set()
        if self._receiver is not None:
            self._receiver.on_closed(monotonic())


def _forget_frames(error: BaseException | None) -> None:
    """Cut an error and its causes loose from all who were called when they were raised."""
    while error is not None:
        cause = error.__cause__ or error.__context__
        error.__traceback__ = error.__cause__ = error.__context__ = None
        error = cause


def media_socket_of(websocket: WebSocket) -> MediaSocket:
    """The socket behind an accepted Starlette WebSocket. `BugError` under another server."""
    socket = websocket.scope.get("extensions", {}).get(_EXTENSION)
    if not isinstance(socket, MediaSocket):
        raise BugError("the server was started without ws=MediaSocket")
    return socket
