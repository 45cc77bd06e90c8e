"""A link to the model, heard by a test instead of a call."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from far_end import FarEnd, far_end

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.realtime_socket import RealtimeSocket, SocketBounds, connect

Behave = Callable[[FarEnd], Awaitable[None]]
HEADERS = {"Authorization": "Bearer sk-test", "OpenAI-Safety-Identifier": "abc"}
CREATED = '{"type":"session.created","session":{"id":"sess_1"}}'

FATAL = {"closed_1003", "closed_1007", "closed_1008", "closed_1010", "closed_4000", "closed_4001"}


class Receiver:
    """Hears a link, and lets a test wait for it."""

    def __init__(self) -> None:
        self.sockets: list[RealtimeSocket] = []
        self.texts: list[bytes] = []
        self.lost: list[tuple[str, bool]] = []
        self._news = asyncio.Event()

    @property
    def socket(self) -> RealtimeSocket:
        (socket,) = self.sockets
        return socket

    def on_model_open(self, socket: RealtimeSocket) -> None:
        assert not self.texts, "nothing is heard before the link is open"
        self.sockets.append(socket)

    def on_model_text(self, data: bytes | bytearray, now: float) -> None:
        assert not self.lost, "nothing is heard after the end"
        self.texts.append(bytes(data))
        self._news.set()

    def on_model_lost(self, reason: str, refused: bool, now: float) -> None:
        self.lost.append((reason, refused))
        self._news.set()

    async def hears(self, count: int = 1) -> list[bytes]:
        await self._until(lambda: len(self.texts) >= count)
        return self.texts

    async def loses(self) -> str:
        await self._until(lambda: bool(self.lost))
        ((reason, refused),) = self.lost
        assert refused == (reason in FATAL), "only these tell that a second try is in vain"
        return reason

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def link(behave: Behave, **bounds: Any) -> AsyncIterator[Receiver]:
    """An open link to a server that behaves so."""
    receiver = Receiver()
    async with far_end(behave) as url:
        address = f"{url}/v1/realtime?model=gpt-realtime-2.1"
        await connect(address, HEADERS, receiver, bounds=SocketBounds(**bounds))
        try:
            yield receiver
        finally:
            receiver.socket.close()


async def failure(
    behave: Behave,
    tls: ssl.SSLContext | None = None,
    within_s: float = limits.sockets.CONNECT_MAX_S,
) -> LinkError:
    """How a handshake fails with a server that behaves so; the receiver hears nothing of it."""
    receiver = Receiver()
    async with far_end(behave, tls) as url:
        with pytest.raises(LinkError) as caught:
            await connect(f"{url}/v1/realtime", HEADERS, receiver, within_s)
    assert (receiver.texts, receiver.lost) == ([], [])
    return caught.value
