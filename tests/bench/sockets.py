"""The far ends' WebSockets, as cheap as the gateway's own, and a loop with fine timers."""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Callable, Mapping
from time import monotonic
from typing import cast

from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from gateway import limits
from gateway.transports.websocket_frames import ClientFrames, FrameSplitter, text_frame

Hear = Callable[[bytes | bytearray, float], None]


class FineSelector(selectors.EpollSelector):
    """Epoll counts whole milliseconds; callers do not speak in step with them."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def new_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(FineSelector())


class TextSocket(asyncio.Protocol):
    """One end: `hear` gets each text message with the moment at which it was read."""

    def __init__(
        self,
        conn: ClientProtocol | ServerProtocol,
        hear: Hear,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.hear = hear
        self.opened = asyncio.Event()
        self.lost = False
        self._conn, self._headers = conn, headers or {}
        serves = isinstance(conn, ServerProtocol)
        self._splitter = FrameSplitter(
            masked=serves, max_bytes=limits.sockets.MODEL_MESSAGE_MAX_BYTES
        )
        self._frame = text_frame if serves else ClientFrames().text_frame
        self._transport: asyncio.Transport | None = None

    def post(self, payload: bytes) -> None:
        """One text message, now; nothing on a line that is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._frame(payload))

    def close(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if self._conn.state is State.OPEN:
                self._conn.send_close(1000)
                self._flush()
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if isinstance(self._conn, ClientProtocol):
            request = self._conn.connect()
            request.headers.update(self._headers)
            self._conn.send_request(request)
            self._flush()

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        if self._conn.state is State.CONNECTING:
            return self._to_library(data)
        for is_text, part in self._splitter.feed(data):
            if is_text:
                self.hear(part, now)
            else:
                self._to_library(bytes(part))
        return None

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost = True
        self.opened.set()

    def _to_library(self, data: bytes) -> None:
        """The handshake, and control frames."""
        self._conn.receive_data(data)
        for event in self._conn.events_received():
            if isinstance(event, Request) and isinstance(self._conn, ServerProtocol):
                self._conn.send_response(self._conn.accept(event))
        self._flush()
        if self._conn.state is State.OPEN:
            self.opened.set()
        elif self._conn.state is not State.CONNECTING and self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._conn.data_to_send()))


async def open_socket(url: str, headers: Mapping[str, str], hear: Hear) -> TextSocket:
    """An open line as a client; `lost` is set where the server did not want it."""
    uri = parse_uri(url)
    line = TextSocket(ClientProtocol(uri), hear, headers)
    await asyncio.get_running_loop().create_connection(lambda: line, uri.host, uri.port)
    await line.opened.wait()
    return line
