"""A WebSocket client as bytes: what a caller's network may do to a stream."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State


class NearEnd:
    """One connection to a server, after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._library = Protocol(Side.CLIENT, state=State.OPEN)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def say(self, text: str | bytes) -> None:
        self.send(frame_of(text))

    async def drain(self) -> None:
        await self._writer.drain()

    async def frame(self) -> Frame:
        """The server's next frame."""
        while True:
            for event in self._library.events:
                self._library.events.remove(event)
                assert isinstance(event, Frame)
                return event
            data = await asyncio.wait_for(self._reader.read(1 << 16), 10)
            assert data, "the server is gone"
            self._library.receive_data(data)
            assert self._library.parser_exc is None, self._library.parser_exc

    async def gone(self) -> bytes:
        """Returns, with all that still came, when the server has ended the connection."""
        rest = b""
        with contextlib.suppress(ConnectionError):
            while data := await asyncio.wait_for(self._reader.read(1 << 16), 10):
                rest += data
        return rest

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """A TCP reset: nothing of what is on its way arrives."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def frame_of(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return Frame(Opcode.TEXT, data).serialize(mask=True)


def upgrade(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: gw.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.asynccontextmanager
async def near_end(
    port: int, path: str = "/twilio/media", headers: Mapping[str, str] | None = None
) -> AsyncIterator[NearEnd]:
    """An accepted WebSocket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(upgrade(path, headers or {}))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield NearEnd(reader, writer)
    finally:
        writer.transport.abort()
