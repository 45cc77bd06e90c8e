"""The server's end of one media socket, without a network: each step when the test wants it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from stream_end import frame_of, upgrade
from transport_double import TransportDouble
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from gateway import limits
from gateway.transports.media_socket import MediaSocket, media_socket_of

BURST = int(limits.sockets.CALLER_MESSAGES_PER_S * limits.sockets.CALLER_BURST_S)
AT_ONCE = 3_000
"""Half a minute's worth: no machine needs so long for them."""
PING = Frame(Opcode.PING, b"there?").serialize(mask=True)
FLOODED = Frame(Opcode.CLOSE, Close(1008, "flood").serialize()).serialize(mask=False)
BACKLOG_MAX_BYTES = 100


class Rig:
    """A socket that a call has, which only writes down what it hears."""

    def __init__(self) -> None:
        self.transport, self.heard = TransportDouble(), list[bytes]()
        self.floods = self.closed = 0
        self.taken = asyncio.Event()

    def on_text(self, data: bytes | bytearray, now: float) -> None:
        self.heard.append(bytes(data))

    def on_binary(self, now: float) -> None:
        """Nothing here is binary."""

    def on_flood(self, now: float) -> None:
        self.floods += 1

    def on_closed(self, now: float) -> None:
        self.closed += 1

    async def media(self, websocket: WebSocket) -> None:
        await websocket.accept()
        one = media_socket_of(websocket)
        one.take_over(self)
        self.taken.set()
        await one.gone()


@contextlib.asynccontextmanager
async def taken_over() -> AsyncIterator[tuple[MediaSocket, Rig]]:
    rig = Rig()
    app = Starlette(routes=[WebSocketRoute("/media", rig.media)])
    config = uvicorn.Config(
        app,
        ws=MediaSocket,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
    )
    config.load()
    one = MediaSocket(config, ServerState(), {}, backlog_max_bytes=BACKLOG_MAX_BYTES)
    one.connection_made(rig.transport)
    one.data_received(upgrade("/media", {}))
    await asyncio.wait_for(rig.taken.wait(), 10)
    rig.transport.written = b""
    yield one, rig
    one.connection_lost(None)
    rig.transport.socket.close()
    assert rig.closed == 1


ENDS = {
    "close": Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True),
    "breach": b"\x83\x80" + bytes(4),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_nothing_is_heard_behind_the_end_in_a_later_read_either(end: bytes) -> None:
    """With TLS what was read already may come after the transport was closed."""
    async with taken_over() as (one, rig):
        one.data_received(frame_of("x" * 200))
        one.data_received(end)
        assert rig.transport.closing
        one.data_received(frame_of("y" * 200))
        assert rig.heard == [b"x" * 200]


async def turns() -> None:
    for _ in range(max(BURST, AT_ONCE) // limits.sockets.TURN_MESSAGES_MAX + 5):
        await asyncio.sleep(0)


async def test_a_client_may_leave_as_much_unread_as_is_allowed_and_no_more() -> None:
    async with taken_over() as (one, rig):
        for unread, cut in ((BACKLOG_MAX_BYTES, False), (BACKLOG_MAX_BYTES + 1, True)):
            rig.transport.unread = unread
            one.post(b"x")
            one.flush()
            assert rig.transport.closing == cut


async def test_of_a_flood_nothing_more_is_read_or_answered() -> None:
    """Each ping has a pong, and what follows our close is against the protocol."""
    async with taken_over() as (one, rig):
        one.data_received(frame_of("x") * (BURST - 2))
        await turns()
        assert (len(rig.heard), rig.floods) == (BURST - 2, 0)
        one.data_received(PING * AT_ONCE)
        await turns()
        assert (rig.floods, rig.closed) == (1, 1)
        assert rig.transport.written.endswith(FLOODED)
        assert not rig.transport.reading


async def test_a_flood_of_single_frames_is_heard_up_to_its_end() -> None:
    async with taken_over() as (one, rig):
        for _ in range(BURST + AT_ONCE):
            one.data_received(frame_of("x"))
        assert (rig.floods, rig.closed) == (1, 1)
        assert BURST <= len(rig.heard) < BURST + AT_ONCE
        assert rig.transport.written == FLOODED
