"""The model's server as bytes: what a WebSocket server may do, and what it may not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha1

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FarEnd:
    """One connection of a client's, before and after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._library = Protocol(Side.SERVER, state=State.OPEN)
        self.request_line = ""
        self.headers: dict[str, str] = {}

    async def request(self) -> None:
        """Reads the handshake's request."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("ascii")
        self.request_line, *lines = head.strip().split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        self.headers = {name.lower(): value for name, value in pairs}
        assert len(self.headers) == len(pairs), "no header twice"

    async def body(self) -> bytes:
        """What follows the head of an ordinary request."""
        return await self._reader.readexactly(int(self.headers.get("content-length", "0")))

    def respond(self, status: int, body: bytes = b"", kind: str = "application/json") -> None:
        """An ordinary answer; the connection ends with it."""
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}"
        self.send(f"{head}\r\nconnection: close\r\n\r\n".encode() + body)

    def acceptance(self, *extra: str) -> bytes:
        """The 101 that answers the request (RFC 6455, 4.2.2)."""
        key = self.headers["sec-websocket-key"].encode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {b64encode(sha1(key + _GUID).digest()).decode()}",
            *extra,
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    async def accept(self, then: bytes = b"") -> None:
        await self.request()
        self.send(self.acceptance() + then)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    def say(self, text: str | bytes) -> None:
        self.send(text_of(text))

    def hang_up(self) -> None:
        """Ends the connection without a word."""
        self._writer.close()

    def reset(self) -> None:
        """A TCP reset: nothing of what is on its way arrives."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()

    async def frame(self) -> Frame:
        """The client's next frame."""
        while True:
            for event in self._library.events:
                self._library.events.remove(event)
                assert isinstance(event, Frame)
                return event
            data = await self._reader.read(1 << 16)
            assert data, "the client is gone"
            self._library.receive_data(data)
            assert self._library.parser_exc is None, self._library.parser_exc

    async def gone(self) -> bytes:
        """Returns, with all that still came, when the client has ended the connection."""
        rest = b""
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(1 << 16):
                rest += data
        return rest


def text_of(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return Frame(Opcode.TEXT, data).serialize(mask=False)


def close_of(code: int) -> bytes:
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=False)


@contextlib.asynccontextmanager
async def far_end(
    behave: Callable[[FarEnd], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serves each connection with `behave`, which may raise; yields the address (ws:// or wss://)."""
    running: set[asyncio.Task[None]] = set()
    failures: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await behave(FarEnd(reader, writer))
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"ws{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running)
        if failures:
            raise failures[0]
