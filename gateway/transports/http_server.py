"""Uvicorn's HTTP with bounds on requests: their heads, bodies, chunks, age, and how many there are.

How long the whole body of a request may be is for its endpoint to say. What is bounded here is what
an endpoint never sees: a head without end, a million chunks of one byte, a body that goes on
after the answer, a connection that says nothing, or never reads.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.limits.web import (
    CHUNK_MIN_BYTES,
    CHUNKS_FREE,
    LINGER_S,
    PIPELINED_MAX,
    REQUEST_BODY_MAX_BYTES,
    REQUEST_BODY_WAIT_S,
    REQUEST_HEAD_MAX_BYTES,
    REQUEST_HEAD_WAIT_S,
    REQUEST_HEADERS_MAX,
    RESPONSE_STALL_MAX_S,
    UNREAD_BODY_MAX_BYTES,
    UNWANTED_HEAD_WAIT_S,
)
from gateway.transports.connection_limits import ConnectionLimits

_PROBES: Final = frozenset({b"/healthz", b"/readyz", b"/metrics"})
"""Answered even beyond the limits: a pod whose probes fail is killed, and its calls with it."""


class RequestBoundReached(Exception):
    """Bound that a request broke; the parser stops at once."""


class BoundedHttp(HttpToolsProtocol):
    """Connection that is answered and closed when a request on it breaks a bound."""

    def __init__(
        self,
        *args: Any,
        connection_limits: ConnectionLimits,
        head_wait_s: float = REQUEST_HEAD_WAIT_S,
        unwanted_head_wait_s: float = UNWANTED_HEAD_WAIT_S,
        body_wait_s: float = REQUEST_BODY_WAIT_S,
        stall_max_s: float = RESPONSE_STALL_MAX_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limits = connection_limits
        self._head_wait_s, self._unwanted_head_wait_s = head_wait_s, unwanted_head_wait_s
        self._body_wait_s, self._stall_max_s = body_wait_s, stall_max_s
        self._refusal: str | None = None
        """Reason for which its requests get 503."""
        self._head_bytes: int
        """Set as soon as a head is awaited."""
        self._headers: int
        self._chunks: int
        self._body_bytes: int
        """Set, like the two before it, with the first byte of each request."""
        self._in_body = False
        self._drains = False
        """Whether the request was answered before its body was complete, and the rest is read."""
        self._ends = False
        """Whether the answer was the last, and only the peer's end is awaited."""
        self._head_due: asyncio.TimerHandle | None = None
        """Set while a head is awaited."""
        self._body_due: asyncio.TimerHandle | None = None
        self._read_due: asyncio.TimerHandle | None = None
        """Set while the peer does not read its answer."""

    # --- Connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limits.opened()
        descriptor = transport.get_extra_info("socket").fileno()
        self._refusal = self._limits.reason_against(descriptor)
        if self._refusal is not None and self._limits.is_last(descriptor):
            self._cut(self._refusal)
            return
        wanted = self._refusal is None
        self._await_head(self._head_wait_s if wanted else self._unwanted_head_wait_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)
        self._forget()

    def handle_websocket_upgrade(self) -> None:
        self._stop_timers()  # from here on it is a media socket, with limits of its own
        super().handle_websocket_upgrade()
        self._forget()  # nobody calls us any more

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._read_due is None:
            self._read_due = self.loop.call_later(self._stall_max_s, self._cut, "unread_answer")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_due = _cancelled(self._read_due)

    def data_received(self, data: bytes) -> None:
        if self._limits.reads.wait(self, data, self.loop):
            self.transport.pause_reading()
        else:
            self._handle(data)

    def read(self, data: bytes) -> None:
        """Handle what had to wait, and read on unless the request itself must wait now."""
        self._handle(data)
        if not (self.flow.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    def _handle(self, data: bytes) -> None:
        if self._ends or self.transport.is_closing():
            return
        idle = self.timeout_keep_alive_task is not None
        super().data_received(data)
        if self.transport.is_closing() or self not in self.connections:
            return  # closed, or a media socket now, on a connection that a proxy used before
        if self._head_due is not None:
            self._head_bytes += len(data)
            if self._head_bytes > REQUEST_HEAD_MAX_BYTES:
                self._cut("head_bytes")
        elif idle and self.cycle.response_complete:
            # Empty lines begin no request, but they did end the wait for one.
            self._await_head(self._head_wait_s)

    # --- Request ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers = self._chunks = self._body_bytes = 0
        if len(self.pipeline) >= PIPELINED_MAX:
            self._break("pipelined")
        if self._head_due is None:  # a further request on the same connection
            self._await_head(self._head_wait_s)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        if self._headers > REQUEST_HEADERS_MAX:
            self._break("headers")
        if not self._in_body:  # what follows a chunked body is for nobody
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_due = _cancelled(self._head_due)
        if self.parser.should_upgrade() and self._should_upgrade():
            return super().on_headers_complete()  # a WebSocket's handshake
        app = self.app
        if self._refusal is not None and self.url not in _PROBES:
            self.app = service_unavailable
            self._limits.count(self._refusal)
        try:
            super().on_headers_complete()
        finally:
            self.app = app
        self._in_body = True
        if self._refusal is not None:
            self.cycle.keep_alive = False
        self._body_due = self.loop.call_later(self._body_wait_s, self._cut, "slow_body")
        return None

    def on_body(self, body: bytes) -> None:
        self._chunks += 1
        self._body_bytes += len(body)
        if self._chunks > CHUNKS_FREE + self._body_bytes // CHUNK_MIN_BYTES:
            self._break("chunks")
        if self._body_bytes > REQUEST_BODY_MAX_BYTES:
            self._break("body_bytes")
        if self._drains and self._body_bytes > UNREAD_BODY_MAX_BYTES:
            self._linger()
            self._break("unread_body")
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._body_due = _cancelled(self._body_due)
        super().on_message_complete()
        if self._drains:
            self._drains = False
            super().on_response_complete()

    def on_response_complete(self) -> None:
        if not self._in_body or self.pipeline:
            return super().on_response_complete()
        if self.transport.is_closing():
            return None
        # The rest of the body is for nobody: read it where it is short, and close otherwise.
        self._drains = True
        if self._body_bytes > UNREAD_BODY_MAX_BYTES:
            self._limits.count("unread_body")
            self._linger()
        else:
            self.flow.resume_reading()
        return None

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, unless it stands behind a request not answered yet."""
        if self._ends:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or self.pipeline or not self._in_body:
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        super().send_400_response(msg)

    # --- Ends ---

    def _linger(self) -> None:
        """End our side, and wait a moment for the peer, whose answer a reset would destroy."""
        self._ends = True
        self._body_due = _cancelled(self._body_due)
        transport = self.transport
        if transport.is_closing():
            return
        self.flow.pause_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self.loop.call_later(LINGER_S, transport.abort)

    def _break(self, reason: str) -> None:
        self._limits.count(reason)
        raise RequestBoundReached(reason)

    def _cut(self, reason: str) -> None:
        self._limits.count(reason)
        self.transport.abort()

    def _await_head(self, wait_s: float) -> None:
        self._head_bytes = 0
        self._head_due = self.loop.call_later(wait_s, self._cut, "slow_head")

    def _forget(self) -> None:
        """Let go of all that refers back to this object, so that it is freed at once.

        A full collection of what ten thousand strangers left takes a second, in which every call
        stands still.
        """
        self.parser = self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()

    def _stop_timers(self) -> None:
        """Stop all timers; called once or twice."""
        self._head_due = _cancelled(self._head_due)
        self._body_due = _cancelled(self._body_due)
        self._read_due = _cancelled(self._read_due)
        if self in self.connections:
            self._limits.closed()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer; return None, which stands for no timer."""
    if timer is not None:
        timer.cancel()
    return None
