"""The caller's WebSocket under a real uvicorn: every byte that a client may send, and some more."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from running_gateway import free_listener
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from stream_end import NearEnd, frame_of, near_end, upgrade
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from gateway import limits
from gateway.errors import BugError
from gateway.transports.media_socket import MediaSocket, media_socket_of


class Receiver:
    """Hears one socket, and lets a test wait for it."""

    def __init__(self, socket: MediaSocket) -> None:
        self.socket = socket
        self.heard: list[bytes | None] = []
        """Texts, and None for each binary message."""
        self.closed = self.floods = 0
        self._news = asyncio.Event()
        socket.take_over(self)

    def on_text(self, data: bytes | bytearray, now: float) -> None:
        assert not self.closed, "nothing is heard after the end"
        self.heard.append(bytes(data))
        self._news.set()

    def on_binary(self, now: float) -> None:
        assert not self.closed
        self.heard.append(None)
        self._news.set()

    def on_flood(self, now: float) -> None:
        assert not self.closed
        self.floods += 1

    def on_closed(self, now: float) -> None:
        self.closed += 1
        self._news.set()

    async def hears(self, count: int) -> list[bytes | None]:
        await self._until(lambda: len(self.heard) >= count)
        return self.heard

    async def ends(self) -> None:
        await self._until(lambda: self.closed > 0)
        await asyncio.sleep(0)
        assert self.closed == 1

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():
                self._news.clear()
                await self._news.wait()


class Rig:
    def __init__(self, port: int) -> None:
        self.port = port
        self.receivers: asyncio.Queue[Receiver] = asyncio.Queue()
        self.state = ServerState()
        self.asked, self.accepts = asyncio.Event(), asyncio.Event()
        self.accepts.set()

    async def media(self, websocket: WebSocket) -> None:
        self.asked.set()
        await self.accepts.wait()
        with contextlib.suppress(WebSocketDisconnect):
            await self._accept(websocket)

    async def _accept(self, websocket: WebSocket) -> None:
        await websocket.accept()
        socket = media_socket_of(websocket)
        self.receivers.put_nowait(Receiver(socket))
        await socket.gone()

    async def echo(self, websocket: WebSocket) -> None:
        """A socket that nobody takes over."""
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async def empty(self) -> None:
        """Returns when no connection and no task of one is left."""
        async with asyncio.timeout(30):
            while self.state.connections or self.state.tasks:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[tuple[NearEnd, Receiver]]:
        async with near_end(self.port, "/media") as end:
            yield end, await self.receivers.get()


@contextlib.asynccontextmanager
async def serving(ws: Any = MediaSocket) -> AsyncIterator[Rig]:
    """Uvicorn's protocols on a port, without its `Server`, which stops by polling."""
    listener = free_listener()
    rig = Rig(listener.getsockname()[1])
    app = Starlette(routes=[WebSocketRoute("/media", rig.media), WebSocketRoute("/echo", rig.echo)])
    config = uvicorn.Config(
        app,
        ws=ws,
        ws_per_message_deflate=False,
        ws_max_size=limits.sockets.SOCKET_MESSAGE_MAX_BYTES,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
    )
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: config.http_protocol_class(
            config=config, server_state=rig.state, app_state={}, _loop=loop
        ),
        sock=listener,
    )
    yield rig
    server.close()
    await rig.empty()


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    async with serving() as rig:
        yield rig


# --- What is heard ---


async def test_messages_come_whole_however_they_are_cut(rig: Rig) -> None:
    texts = [b"", b"x", b"y" * 125, b"z" * 126, b"\xd9\x85" * 40_000, b"last"]
    wire = b"".join(frame_of(text) for text in texts)
    async with rig.stream() as (end, receiver):
        for byte in wire[:300]:
            end.send(bytes([byte]))
            await end.drain()
            await asyncio.sleep(0)
        for at in range(300, len(wire), 1000):
            end.send(wire[at : at + 1000])
            await end.drain()
        assert await receiver.hears(len(texts)) == texts


async def test_many_messages_in_one_piece(rig: Rig) -> None:
    burst = int(limits.sockets.CALLER_MESSAGES_PER_S * limits.sockets.CALLER_BURST_S)
    texts = [f"message {n}".encode() for n in range(burst)]
    async with rig.stream() as (end, receiver):
        end.send(b"".join(frame_of(text) for text in texts))
        assert await receiver.hears(len(texts)) == texts


async def test_fragments_are_put_together_and_control_frames_may_stand_between(rig: Rig) -> None:
    parts = [
        Frame(Opcode.TEXT, b"one ", fin=False),
        Frame(Opcode.PING, b"there?"),
        Frame(Opcode.CONT, b"two ", fin=False),
        Frame(Opcode.CONT, b"three"),
        Frame(Opcode.BINARY, b"\x00", fin=False),
        Frame(Opcode.CONT, b"\x01"),
        Frame(Opcode.BINARY, b"\x02"),
        Frame(Opcode.TEXT, b"next"),
        Frame(Opcode.PONG, b"not asked for"),
        Frame(Opcode.TEXT, b"", fin=False),
        Frame(Opcode.CONT, b""),
    ]
    async with rig.stream() as (end, receiver):
        end.send(b"".join(part.serialize(mask=True) for part in parts))
        assert await end.frame() == Frame(Opcode.PONG, b"there?")
        assert await receiver.hears(5) == [b"one two three", None, None, b"next", b""]


async def test_what_is_posted_arrives_in_order_among_pongs(rig: Rig) -> None:
    async with rig.stream() as (end, receiver):
        end.send(Frame(Opcode.PING, b"1").serialize(mask=True))
        assert (await end.frame()).opcode is Opcode.PONG
        sizes = 0, 1, 125, 126, 65_535, 65_536, 100_000
        for size in sizes:
            receiver.socket.post(b"x" * size)
        receiver.socket.flush()
        receiver.socket.flush()
        for size in sizes:
            assert await end.frame() == Frame(Opcode.TEXT, b"x" * size)


async def test_a_socket_can_be_passed_on(rig: Rig) -> None:
    async with rig.stream() as (end, first):
        end.say("one")
        await first.hears(1)
        second = Receiver(first.socket)
        end.say("two")
        assert await second.hears(1) == [b"two"]
    await second.ends()
    assert (first.heard, first.closed) == ([b"one"], 0)


async def test_passed_on_in_the_middle_of_a_read(rig: Rig) -> None:
    """As the endpoint does in `start`: what follows it in the same bytes is for the call."""
    async with rig.stream() as (end, first):
        others: list[Receiver] = []

        def pass_on(data: bytes | bytearray, now: float) -> None:
            others.append(Receiver(first.socket))

        first.on_text = pass_on  # type: ignore[method-assign]
        end.send(frame_of("start") + frame_of("one") + frame_of("two"))
        end.say("three")
        end.send(Frame(Opcode.PING, b"").serialize(mask=True))
        await end.frame()
        (second,) = others
        assert second.heard == [b"one", b"two", b"three"]


async def test_taken_over_too_late(rig: Rig) -> None:
    async with rig.stream() as (end, first):
        end.reset()
        await first.ends()
        await Receiver(first.socket).ends()


async def test_other_sockets_are_uvicorns_own(rig: Rig) -> None:
    async with near_end(rig.port, "/echo") as end:
        end.say("x" * 100_000)
        assert await end.frame() == Frame(Opcode.TEXT, b"x" * 100_000)


# --- How it ends ---


@pytest.mark.parametrize("code", [1000, 1001, 4999])
async def test_the_clients_close_is_answered(rig: Rig, code: int) -> None:
    close = Frame(Opcode.CLOSE, Close(code, "bye").serialize())
    async with rig.stream() as (end, receiver):
        end.send(frame_of("last") + close.serialize(mask=True) + frame_of("after the end"))
        assert await end.frame() == close
        await receiver.ends()
        assert receiver.heard == [b"last"]
        receiver.socket.post(b"into the void")
        receiver.socket.flush()
        receiver.socket.close()
        assert await end.gone() == b""


@pytest.mark.parametrize("way", ["reset", "eof"])
async def test_a_connection_that_ends_without_a_word(rig: Rig, way: str) -> None:
    async with rig.stream() as (end, receiver):
        if way == "reset":
            end.reset()
        else:
            end._writer.write_eof()
        await receiver.ends()


async def test_our_close_is_in_order_and_the_last_that_is_heard(rig: Rig) -> None:
    async with rig.stream() as (end, receiver):
        receiver.socket.post(b"goodbye")
        receiver.socket.close(1008)
        receiver.socket.post(b"nothing")
        receiver.socket.flush()
        receiver.socket.close()
        assert await end.frame() == Frame(Opcode.TEXT, b"goodbye")
        closing = await end.frame()
        assert Close.parse(closing.data).code == 1008
        parts = Frame(Opcode.TEXT, b"la", fin=False), Frame(Opcode.CONT, b"te")
        end.send(frame_of("late") + b"".join(part.serialize(mask=True) for part in parts))
        end.send(Frame(Opcode.BINARY, b"late").serialize(mask=True))
        end.send(Frame(Opcode.CLOSE, closing.data).serialize(mask=True))
        assert await end.gone() == b""
        await receiver.ends()
        assert receiver.heard == []


async def test_nothing_follows_our_close_on_the_wire(rig: Rig) -> None:
    closing = Frame(Opcode.CLOSE, Close(1008, "").serialize())
    async with rig.stream() as (end, receiver):
        receiver.socket.post(b"goodbye")
        receiver.socket.close(1008)
        receiver.socket.post(b"nothing")
        receiver.socket.flush()
        receiver.socket.close()
        end.send(closing.serialize(mask=True))
        said = Frame(Opcode.TEXT, b"goodbye"), closing
        assert await end.gone() == b"".join(frame.serialize(mask=False) for frame in said)


async def test_a_message_that_crosses_our_close_is_not_heard(rig: Rig) -> None:
    """It comes alone in its read, as nearly every message does."""
    async with rig.stream() as (end, receiver):
        receiver.socket.close()
        end.say("x" * 200)
        await end.drain()
        for _ in range(3):
            await asyncio.sleep(0)
        end.send(Frame(Opcode.PING, b"read").serialize(mask=True))
        assert (await end.frame()).opcode is Opcode.CLOSE
        end.send(Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True))
        await receiver.ends()
        assert receiver.heard == []


@pytest.mark.parametrize("last", ["close", "breach"])
async def test_a_client_that_ends_but_does_not_read_is_cut(last: str) -> None:
    """Or what it leaves unread would keep the connection, for as long as it likes."""
    farewell = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
    impatient = partial(MediaSocket, close_max_s=0.05, backlog_max_bytes=1 << 40)
    async with serving(impatient) as rig, rig.stream() as (end, receiver):
        end.stop_reading()
        while receiver.socket.transport.get_write_buffer_size() < 1 << 20:
            receiver.socket.post(b"x" * 60_000)
            receiver.socket.flush()
            await asyncio.sleep(0)
        end.send(farewell if last == "close" else b"\x83\x80" + MASK)
        await receiver.ends()
        await rig.empty()


async def test_a_client_that_does_not_answer_our_close_is_cut() -> None:
    impatient = partial(MediaSocket, close_max_s=0.05)
    async with serving(impatient) as rig, rig.stream() as (end, receiver):
        receiver.socket.close()
        await end.gone()
        await receiver.ends()


async def test_nor_is_one_waited_for_that_does_not_read() -> None:
    """What it does not read cannot be sent, and so no close either."""
    impatient = partial(MediaSocket, close_max_s=0.05, backlog_max_bytes=1 << 40)
    async with serving(impatient) as rig, rig.stream() as (end, receiver):
        end.stop_reading()
        while receiver.socket.transport.get_write_buffer_size() < 1 << 20:
            receiver.socket.post(b"x" * 60_000)
            receiver.socket.flush()
            await asyncio.sleep(0)
        receiver.socket.close()
        await receiver.ends()


async def test_the_end_is_waited_for_but_not_for_ever(rig: Rig) -> None:
    async with rig.stream() as (end, receiver):
        await receiver.socket.gone_within(0.001)
        assert not receiver.closed
        waiting = asyncio.create_task(receiver.socket.gone_within(30.0))
        await asyncio.sleep(0)
        assert not waiting.done()
        end.send(Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True))
        await waiting
        assert receiver.closed


async def test_a_client_that_reads_too_slowly_is_cut(rig: Rig) -> None:
    async with rig.stream() as (end, receiver):
        end.stop_reading()
        while not receiver.closed:
            receiver.socket.post(b"x" * 60_000)
            receiver.socket.flush()
            await asyncio.sleep(0)
        await receiver.ends()


MASK = b"\0\0\0\0"
BREACHES = {
    "opcode 3": (b"\x83\x80" + MASK, 1002),
    "reserved bit": (b"\xc1\x80" + MASK, 1002),
    "not masked": (b"\x81\x01x", 1002),
    "long ping": (b"\x89\xfe\x00\x7e" + MASK + b"x" * 126, 1002),
    "ping in parts": (b"\x09\x80" + MASK, 1002),
    "a part of nothing": (b"\x80\x80" + MASK, 1002),
    "text within text": (
        Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True) + frame_of("\x81\x80" * 9),
        1002,
    ),
    "three megabytes": (b"\x81\xff" + (3 << 20).to_bytes(8, "big"), 1009),
    "three megabytes in parts": (
        (Frame(Opcode.TEXT, b"x" * (1 << 20), fin=False).serialize(mask=True))
        + Frame(Opcode.CONT, b"x" * (1 << 20), fin=False).serialize(mask=True)
        + Frame(Opcode.CONT, b"x").serialize(mask=True),
        1009,
    ),
    "more than there can be": (b"\x81\xff" + b"\xff" * 8, 1009),
}


@pytest.mark.parametrize(("wire", "code"), BREACHES.values(), ids=BREACHES)
async def test_a_client_that_breaks_the_protocol_is_closed(
    rig: Rig, wire: bytes, code: int
) -> None:
    async with rig.stream() as (end, receiver):
        end.send(frame_of("before") + wire + frame_of("behind"))
        closing = await end.frame()
        assert (closing.opcode, Close.parse(closing.data).code) == (Opcode.CLOSE, code)
        await receiver.ends()
        assert receiver.heard == [b"before"]


async def test_a_message_up_to_the_bound_is_heard_whole(rig: Rig) -> None:
    """What is too long for a message of the carrier's is for the call to say."""
    longest = b"x" * limits.sockets.SOCKET_MESSAGE_MAX_BYTES
    async with rig.stream() as (end, receiver):
        end.say(longest)
        end.say("next")
        assert await receiver.hears(2) == [longest, b"next"]


# --- What comes too fast ---

FLOODS = {
    "pings": Frame(Opcode.PING, b"").serialize(mask=True),
    "pongs": Frame(Opcode.PONG, b"x").serialize(mask=True),
    "texts": frame_of("x"),
    "frames of sound": frame_of("x" * 400),
    "a second of sound at a time": frame_of("x" * 11_000),
    "binary": Frame(Opcode.BINARY, b"").serialize(mask=True),
    "fragments": Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)
    + Frame(Opcode.CONT, b"x").serialize(mask=True),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "one by one"])
async def test_a_flood_is_closed_and_nothing_more_is_heard_of_it(
    rig: Rig, flood: bytes, apart: bool
) -> None:
    burst = int(limits.sockets.CALLER_MESSAGES_PER_S * limits.sockets.CALLER_BURST_S)
    async with rig.stream() as (end, receiver):
        if apart:
            for _ in range(3 * burst):
                end.send(flood)
                await asyncio.sleep(0)
        else:
            end.send(flood * 20_000)
        while (closing := await end.frame()).opcode is not Opcode.CLOSE:
            assert closing.opcode is Opcode.PONG
        assert Close.parse(closing.data).code == 1008
        await receiver.ends()
        assert receiver.floods == 1
        assert len(receiver.heard) <= 2 * burst


async def test_a_burst_and_then_no_more_than_the_rate_is_no_flood(rig: Rig) -> None:
    burst = int(limits.sockets.CALLER_MESSAGES_PER_S * limits.sockets.CALLER_BURST_S)
    async with rig.stream() as (end, receiver):
        for _ in range(burst // 2):
            end.say("one by one")
            await end.drain()
            await asyncio.sleep(0)
        end.send(frame_of("together") * (burst // 2))
        await receiver.hears(burst)
        await receiver.socket.gone_within(5 / limits.sockets.CALLER_MESSAGES_PER_S)
        end.say("alone")
        await receiver.hears(burst + 1)
        end.send(frame_of("two") * 2)
        await receiver.hears(burst + 3)
        assert not receiver.floods


async def test_what_comes_behind_the_clients_close_is_no_flood(rig: Rig) -> None:
    """The call has heard of its end, and a flood would be a second one."""
    before = int(limits.sockets.CALLER_MESSAGES_PER_S * limits.sockets.CALLER_BURST_S) - 5
    close = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
    async with rig.stream() as (end, receiver):
        end.send(frame_of("x") * before)
        await receiver.hears(before)
        end.send(close + frame_of("x") * (limits.sockets.TURN_MESSAGES_MAX - 1))
        await end.gone()
        await receiver.ends()
        assert receiver.floods == 0
        assert len(receiver.heard) == before


async def test_the_frames_of_others_are_heard_meanwhile_in_order(rig: Rig) -> None:
    async with rig.stream() as (end, receiver), rig.stream() as (other_end, other):
        end.send(FLOODS["texts"] * 20_000)
        heard = []
        for nth in range(300):
            other_end.say(f"frame {nth}")
            heard = await other.hears(nth + 1)
        await receiver.ends()
        assert heard == [f"frame {nth}".encode() for nth in range(300)]
        assert other.floods == 0


async def test_nobody_sends_frames_before_the_handshake_is_answered(rig: Rig) -> None:
    """The parser would take them, and answer the pings among them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    rig.accepts.clear()
    writer.write(upgrade("/media", {}))
    await rig.asked.wait()
    writer.write(FLOODS["pings"] * 100)
    assert await NearEnd(reader, writer).gone() == b""
    rig.accepts.set()
    writer.transport.abort()


async def test_a_handshake_that_is_none_is_refused_and_the_connection_ends(rig: Rig) -> None:
    good = upgrade("/media", {})
    for bad in (
        good.replace(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x"),
        good.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 7"),
        good.replace(b"GET ", b"POST "),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(bad)
        assert not (await NearEnd(reader, writer).gone()).startswith(b"HTTP/1.1 101")
        writer.transport.abort()


async def test_a_socket_on_hold_hears_all_of_it_later(rig: Rig) -> None:
    async with rig.stream() as (end, receiver):
        end.say("one")
        await receiver.hears(1)
        receiver.socket.pause()
        end.send(b"".join(frame_of(f"{nth}") for nth in range(100)))
        await end.drain()
        second = Receiver(receiver.socket)
        receiver.socket.release()
        assert await second.hears(100) == [f"{nth}".encode() for nth in range(100)]
        assert receiver.heard == [b"one"]


async def test_on_hold_in_the_middle_of_a_read(rig: Rig) -> None:
    async with rig.stream() as (end, receiver):

        def pause(data: bytes | bytearray, now: float) -> None:
            receiver.heard.append(bytes(data))
            receiver.socket.pause()
            asyncio.get_running_loop().call_soon(take_up)

        def take_up() -> None:
            seconds.append(Receiver(receiver.socket))
            receiver.socket.release()
            taken_up.set()

        seconds: list[Receiver] = []
        taken_up = asyncio.Event()
        receiver.on_text = pause  # type: ignore[method-assign]
        end.send(frame_of("start") + b"".join(frame_of(f"{nth}") for nth in range(100)))
        await taken_up.wait()
        assert await seconds[0].hears(100) == [f"{nth}".encode() for nth in range(100)]
        assert receiver.heard == [b"start"]


async def test_nothing_is_left_of_a_socket(rig: Rig) -> None:
    seen: list[weakref.ref[MediaSocket]] = []
    for way in ("reset", "close", "breach"):
        async with rig.stream() as (end, receiver):
            seen.append(weakref.ref(receiver.socket))
            if way == "reset":
                end.reset()
            elif way == "close":
                receiver.socket.close()
                end.send((await end.frame()).serialize(mask=True))
            else:
                end.send(b"\x83\x80" + MASK)
            await receiver.ends()
        del receiver
    await rig.empty()
    gc.collect()
    assert [ref() for ref in seen] == [None] * 3


async def test_a_server_that_stops_leaves_a_call_to_end_by_its_own_rules(rig: Rig) -> None:
    async with rig.stream() as (end, receiver), near_end(rig.port, "/echo") as other:
        for connection in list(rig.state.connections):
            connection.shutdown()
        assert Close.parse((await other.frame()).data).code == 1012
        end.say("still talking")
        assert await receiver.hears(1) == [b"still talking"]
        receiver.socket.close()
        assert (await end.frame()).opcode is Opcode.CLOSE


async def test_another_server_is_our_own_mistake() -> None:
    websocket = WebSocket({"type": "websocket"}, lambda: None, lambda _: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(BugError, match="MediaSocket"):
        media_socket_of(websocket)
