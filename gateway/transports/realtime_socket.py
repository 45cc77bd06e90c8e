"""The model's end: one GA Realtime WebSocket, synchronous both ways.

A sans-I/O `ClientProtocol` of `websockets` inside an `asyncio.Protocol`: messages reach the
receiver inside `data_received`, and `post` writes at once, in order. Compression is off: base64
audio does not shrink, and it costs a window of memory for each call.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN
from websockets.uri import parse_uri

from gateway.errors import LinkError
from gateway.limits.sockets import (
    CLOSE_MAX_S,
    CONNECT_MAX_S,
    HANDSHAKE_MAX_BYTES,
    MODEL_BACKLOG_MAX_BYTES,
    MODEL_MESSAGE_MAX_BYTES,
    PING_EVERY_S,
    PONG_MAX_S,
)
from gateway.protocols.openai_refusals import is_final
from gateway.transports.paced_frames import PacedFrames
from gateway.transports.tls import tls_context
from gateway.transports.websocket_frames import ClientFrames, FrameSplitter

_REFUSALS = frozenset({400, 401, 403})
"""A second try with the same key, model and headers would fare no better."""
_FATAL_CLOSES = frozenset({1003, 1007, 1008, 1010})
_OWN_CLOSES_FROM = 4000
"""The vendor's own codes: what was sent is not to its liking (beta shape: 4000)."""


def _drop(_data: bytes) -> None:
    pass


class ModelReceiver(Protocol):
    """Receiver of the model's messages. Called from the event loop; must not block or raise."""

    def on_model_open(self, socket: RealtimeSocket) -> None: ...

    def on_model_text(self, data: bytes | bytearray, now: float) -> None: ...

    def on_model_lost(self, reason: str, refused: bool, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class SocketBounds:
    """Limits of one connection to the model."""

    message_max_bytes: int = MODEL_MESSAGE_MAX_BYTES
    close_max_s: float = CLOSE_MAX_S
    ping_every_s: float = PING_EVERY_S
    pong_max_s: float = PONG_MAX_S


DEFAULT_BOUNDS: Final = SocketBounds()


class RealtimeSocket(asyncio.Protocol):
    """Made by `connect`. `on_model_lost` comes once, unless `close` was called before."""

    def __init__(
        self, url: str, headers: Mapping[str, str], receiver: ModelReceiver, bounds: SocketBounds
    ) -> None:
        self._bounds = bounds
        self._conn = ClientProtocol(
            parse_uri(url), max_size=bounds.message_max_bytes, extensions=None
        )
        self._headers = headers
        self._receiver: ModelReceiver | None = receiver
        self._splitter = FrameSplitter(masked=False, max_bytes=bounds.message_max_bytes)
        self._text_frame = ClientFrames().text_frame
        self._is_open: bool
        """Whether the library's state is OPEN, as of the last `_flush`; the request's is first."""
        self._write: Callable[[bytes], object] = _drop
        """The transport's own while the link is open: no test for it on the way of a frame."""
        self._loop = asyncio.get_running_loop()
        self._paced = PacedFrames(self._splitter, self._on_part, self._loop)
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Future[None] | None = self._loop.create_future()
        """Result of the handshake, until `opened` has told it."""
        self._head: bytearray | None = bytearray()
        self._fragments: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ping: bytes | None = None

    async def opened(self) -> None:
        """Returns after the handshake. Raises LinkError."""
        if self._opening is None:
            return
        try:
            await self._opening
        finally:
            # An error leads to the frames that it passed, and these to this socket: with the way
            # back they would be a circle, for every connection that failed.
            self._opening = None

    def post(self, payload: bytes) -> None:
        """One text message, now; dropped on a link that is not open."""
        # Named first: see `LiveCall.on_text`.
        write, framed = self._write, self._text_frame
        write(framed(payload))

    def close(self) -> None:
        """Ends the link in order; nothing more is heard of it."""
        self._receiver = None
        self._stop_timer()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._conn.state is OPEN:
            self._conn.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
            self._timer = self._loop.call_later(self._bounds.close_max_s, transport.abort)
        else:
            transport.abort()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(MODEL_BACKLOG_MAX_BYTES)
        request = self._conn.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._conn.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        if not self._is_open and self._conn.state is CONNECTING:
            data = self._shake_hands(data)
        now, text = monotonic(), self._splitter.whole(data)
        if text is not None:
            if self._receiver is not None and self._is_open:
                self._receiver.on_model_text(text, now)
            return
        if self._transport is not None:
            self._paced.take(data, self._transport)

    def _on_part(self, is_text: bool, part: bytes) -> None:
        """Handle a frame that did not come alone, or is no whole text."""
        if not is_text:
            self._to_library(bytes(part))
        elif self._receiver is not None and self._is_open:
            self._receiver.on_model_text(part, monotonic())

    def pause_writing(self) -> None:
        """Give the link up: the server has left more unread than a working one ever does."""
        # Soon, and not now: the call that posts is in the middle of something.
        self._loop.call_soon(self._lose, "backlog")

    def eof_received(self) -> None:
        self._conn.receive_eof()
        self._check_handshake()  # the body of a refusal may end with the connection

    def connection_lost(self, _exc: Exception | None) -> None:
        code = self._conn.close_rcvd.code if self._conn.close_rcvd else CloseCode.ABNORMAL_CLOSURE
        fatal = code in _FATAL_CLOSES or code >= _OWN_CLOSES_FROM
        self._lose(f"closed_{int(code)}", fatal=fatal)
        self._paced.end()

    # --- The library's state machine ---

    def _shake_hands(self, data: bytes) -> bytes:
        """Gives the library the head of the response; what stands behind a 101 is frames."""
        if self._head is None:
            self._to_library(data)  # the body of a refusal
            return b""
        self._head += data
        head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
        if not end and len(head) < HANDSHAKE_MAX_BYTES:
            return b""
        self._head = None
        self._to_library(head + end)
        if self._conn.state is OPEN or not rest:
            return rest
        return self._shake_hands(rest)

    def _to_library(self, data: bytes) -> None:
        self._conn.receive_data(data)
        self._flush()
        for event in self._conn.events_received():
            if isinstance(event, Response):
                self._on_handshake()
            elif isinstance(event, Frame):
                self._on_frame(event)
        self._check_handshake()
        if self._conn.parser_exc is not None and self._conn.state is not OPEN:
            self._lose("protocol_error")

    def _on_handshake(self) -> None:
        opening = self._opening
        if self._conn.state is OPEN and opening is not None and not opening.done():
            opening.set_result(None)
            self._timer = self._loop.call_later(self._bounds.ping_every_s, self._send_ping)
            if self._receiver is not None:
                # Here and not after `connect`: the first event may stand in the same bytes.
                self._receiver.on_model_open(self)

    def _check_handshake(self) -> None:
        exc, opening = self._conn.handshake_exc, self._opening
        if exc is None or opening is None or opening.done():
            return
        exc.__traceback__ = None  # the library's frames, which have the protocol that has the error
        refused = False
        if isinstance(exc, InvalidStatus):
            status, body = exc.response.status_code, bytes(exc.response.body or b"")
            refused = status in _REFUSALS or (status < 500 and is_final(body))
            reason = f"http_{status}"
        else:
            reason = "handshake" if isinstance(exc, InvalidHandshake) else "protocol_error"
        opening.set_exception(LinkError(reason, retryable=not refused))

    def _on_frame(self, frame: Frame) -> None:
        # The vendor sends text; binary goes the same way, to be refused by whoever reads it.
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                text, self._fragments = b"".join(self._fragments), []
                if self._receiver is not None:
                    self._receiver.on_model_text(text, monotonic())
        elif frame.opcode is Opcode.PONG and frame.data == self._ping:
            self._ping = None
        elif frame.opcode is Opcode.CLOSE and self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        self._is_open = self._conn.state is OPEN
        if self._transport is None:
            return
        self._write = self._transport.write if self._is_open else _drop
        # An empty piece stands for a half-closed connection, which TLS does not have; ours always
        # ends whole, by `close` or by `abort`.
        if data := b"".join(self._conn.data_to_send()):
            self._transport.write(data)

    # --- Liveness of the peer ---

    def _send_ping(self) -> None:
        if self._ping is not None:
            self._lose("ping_timeout")
            return
        self._ping = struct.pack("!d", monotonic())
        self._conn.send_ping(self._ping)
        self._flush()
        self._timer = self._loop.call_later(
            max(self._bounds.ping_every_s, self._bounds.pong_max_s), self._send_ping
        )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lose(self, reason: str, *, fatal: bool = False) -> None:
        self._stop_timer()
        receiver, self._receiver = self._receiver, None
        transport, self._transport, self._write = self._transport, None, _drop
        if transport is not None:
            transport.abort()
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(LinkError(reason, retryable=True))
        elif receiver is not None:
            receiver.on_model_lost(reason, fatal, monotonic())


async def connect(
    url: str,
    headers: Mapping[str, str],
    receiver: ModelReceiver,
    within_s: float = CONNECT_MAX_S,
    bounds: SocketBounds = DEFAULT_BOUNDS,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Opens a link: TCP, TLS, WebSocket; the receiver gets the socket by `on_model_open`.

    Raises LinkError within that time; then the receiver hears nothing of it any more.
    """
    uri = parse_uri(url)
    socket = RealtimeSocket(url, headers, receiver, bounds)
    try:
        async with asyncio.timeout(within_s):
            await asyncio.get_running_loop().create_connection(
                lambda: socket,
                uri.host,
                uri.port,
                ssl=(tls or tls_context()) if uri.secure else None,
            )
            await socket.opened()
    except BaseException as error:
        socket.close()
        if isinstance(error, TimeoutError):
            raise LinkError("timeout", retryable=True) from error
        if isinstance(error, OSError):  # ssl.SSLError is one
            raise LinkError("unreachable", retryable=True) from error
        raise
