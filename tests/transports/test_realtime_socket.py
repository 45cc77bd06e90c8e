"""The model's link against a server that is no more than bytes: what it does with all of them."""

from __future__ import annotations

import asyncio
import struct

import pytest
from far_end import FarEnd, close_of, text_of
from model_link import CREATED, Receiver, link
from websockets.frames import Close, Frame, Opcode
from websockets.server import ServerProtocol

from gateway import limits
from gateway.transports.realtime_socket import RealtimeSocket, SocketBounds

# --- What is heard ---


async def test_the_first_event_may_stand_in_the_bytes_of_the_handshake() -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(CREATED) + text_of("second"))
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.hears(2) == [CREATED.encode(), b"second"]


@pytest.mark.parametrize("size", [1, 3, 70, 200])
async def test_or_only_a_part_of_it(size: int) -> None:
    """Wherever the bytes are cut: within the head, or within the first frame."""

    async def behave(end: FarEnd) -> None:
        await end.request()
        wire = end.acceptance() + text_of(CREATED) + text_of("x" * 300) + text_of("last")
        for at in range(0, len(wire), size):
            end.send(wire[at : at + size])
            await end.drain()
            await asyncio.sleep(0)
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.hears(3) == [CREATED.encode(), b"x" * 300, b"last"]


async def test_half_a_frame_behind_the_handshake_is_waited_for() -> None:
    """The other half comes when the first is known to have been read."""
    frame = text_of("x" * 100) + text_of("y" * 1000)

    async def behave(end: FarEnd) -> None:
        await end.accept(frame[:50])
        await end.frame()
        end.send(frame[50:])
        await end.gone()

    async with link(behave) as receiver:
        receiver.socket.post(b"go on")
        assert await receiver.hears(2) == [b"x" * 100, b"y" * 1000]


async def test_two_megabytes_in_many_reads() -> None:
    large = bytes(range(65, 91)) * 80_000

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(large))
        for at in range(0, len(wire := text_of(large) + text_of("small")), 50_000):
            end.send(wire[at : at + 50_000])
            await end.drain()
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.hears(3) == [large, large, b"small"]


async def test_fragments_are_put_together_and_control_frames_may_stand_between() -> None:
    """RFC 6455, 5.4."""
    parts = [
        Frame(Opcode.TEXT, b"one ", fin=False),
        Frame(Opcode.PING, b"still there?"),
        Frame(Opcode.CONT, b"two ", fin=False),
        Frame(Opcode.CONT, b"three", fin=True),
        Frame(Opcode.TEXT, b"next"),
    ]

    async def behave(end: FarEnd) -> None:
        await end.accept(b"".join(part.serialize(mask=False) for part in parts))
        assert await end.frame() == Frame(Opcode.PONG, b"still there?")
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.hears(2) == [b"one two three", b"next"]


async def test_a_binary_message_is_handed_on_whole_to_be_refused() -> None:
    """Not in silence, and not half of it."""
    parts = [
        Frame(Opcode.BINARY, b"\x00\x01"),
        Frame(Opcode.BINARY, b"\x02", fin=False),
        Frame(Opcode.CONT, b"\x03"),
        Frame(Opcode.TEXT, b"text"),
    ]

    async def behave(end: FarEnd) -> None:
        await end.accept(b"".join(part.serialize(mask=False) for part in parts))
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.hears(3) == [b"\x00\x01", b"\x02\x03", b"text"]


# --- How it ends ---


@pytest.mark.parametrize(
    "code", [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4001]
)
async def test_the_servers_close_code_is_told(code: int) -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(close_of(code) + text_of("after the end"))
        answer = await end.frame()
        assert (answer.opcode, Close.parse(answer.data).code) == (Opcode.CLOSE, code)

    async with link(behave) as receiver:
        assert await receiver.loses() == f"closed_{code}"
        receiver.socket.post(b"into the void")


async def test_a_server_that_has_closed_need_not_end_the_connection_itself() -> None:
    ended = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept(close_of(1000))
        await end.gone()
        ended.set_result(None)

    async with link(behave) as receiver:
        await asyncio.wait_for(ended, 10)
        assert await receiver.loses() == "closed_1000"


async def test_a_close_without_a_code() -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(Frame(Opcode.CLOSE, b"").serialize(mask=False))
        await end.frame()

    async with link(behave) as receiver:
        assert await receiver.loses() == "closed_1005"


@pytest.mark.parametrize("way", ["hang_up", "reset"])
async def test_a_connection_that_ends_without_a_word(way: str) -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept()
        await end.frame()
        getattr(end, way)()

    async with link(behave) as receiver:
        receiver.socket.post(b"x")
        assert await receiver.loses() == "closed_1006"


@pytest.mark.parametrize(
    "junk",
    [
        b"\x83\x00",
        b"\xc1\x00",
        b"\x89\x7e\x00\x7e" + b"x" * 126,
        b"\x09\x00",
        b"\x80\x00",
        b"\x81\x81\x00\x00\x00\x00x",
        Frame(Opcode.TEXT, b"", fin=False).serialize(mask=False) + text_of("in between"),
    ],
    ids=[
        "opcode 3",
        "reserved bit",
        "long ping",
        "ping in parts",
        "a part of nothing",
        "masked",
        "text within text",
    ],
)
async def test_a_server_that_breaks_the_protocol_is_left(junk: bytes) -> None:
    ended = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept(junk + text_of("not heard any more"))
        await end.gone()
        ended.set_result(None)

    async with link(behave) as receiver:
        assert await receiver.loses() == "protocol_error"
        assert receiver.texts == []
        await asyncio.wait_for(ended, 10)


async def test_a_message_beyond_all_bounds() -> None:

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of("x" * 1000) + text_of("x" * 1001))
        await end.gone()

    async with link(behave, message_max_bytes=1000) as receiver:
        assert await receiver.loses() == "protocol_error"
        assert receiver.texts == [b"x" * 1000]


async def test_our_own_close_is_in_order_and_is_the_last_that_is_heard() -> None:
    closed = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept()
        frame = await end.frame()
        assert (frame.opcode, Close.parse(frame.data).code) == (Opcode.CLOSE, 1000)
        end.send(text_of("late") + close_of(1000))
        assert not await end.gone()
        closed.set_result(None)

    async with link(behave) as receiver:
        receiver.socket.close()
        receiver.socket.post(b"nothing")
        receiver.socket.close()
        await asyncio.wait_for(closed, 5)
    assert (receiver.texts, receiver.lost) == ([], [])


async def test_no_ping_follows_our_close() -> None:
    rest = asyncio.get_running_loop().create_future()
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))

    async def behave(end: FarEnd) -> None:
        await end.accept()
        assert (await end.frame()).opcode is Opcode.CLOSE
        rest.set_result(await end.gone())

    async with link(behave, ping_every_s=0.01, pong_max_s=0.01, close_max_s=0.05) as receiver:
        receiver.socket.close()
        assert await asyncio.wait_for(rest, 10) == b""
    assert failed == []


async def test_a_server_that_does_not_answer_a_close_is_cut() -> None:
    cut = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept()
        await end.gone()
        cut.set_result(None)

    async with link(behave, close_max_s=0.05) as receiver:
        receiver.socket.close()
        await asyncio.wait_for(cut, 5)


# --- Is it alive? Does it read? ---


async def test_pings_that_are_answered_keep_it_open() -> None:

    async def behave(end: FarEnd) -> None:
        await end.accept()
        for _ in range(4):
            ping = await end.frame()
            assert (ping.opcode, len(ping.data)) == (Opcode.PING, struct.calcsize("d"))
            end.send(Frame(Opcode.PONG, bytes(ping.data)).serialize(mask=False))
        end.say("four pings")
        await end.gone()

    async with link(behave, ping_every_s=0.02, pong_max_s=0.02) as receiver:
        await receiver.hears()
        assert not receiver.lost


@pytest.mark.parametrize("answer", [b"", b"another"], ids=["nothing", "another pong"])
async def test_a_ping_that_is_not_answered_ends_it(answer: bytes) -> None:

    ended = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept()
        await end.frame()
        end.say("it does send")
        if answer:
            end.send(Frame(Opcode.PONG, answer).serialize(mask=False))
        await end.gone()
        ended.set_result(None)

    async with link(behave, ping_every_s=0.05, pong_max_s=0.05) as receiver:
        assert await receiver.loses() == "ping_timeout"
        await asyncio.wait_for(ended, 10)


async def test_a_server_that_does_not_read_is_given_up_and_not_waited_for() -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept()
        end.stop_reading()
        await asyncio.Event().wait()

    async with link(behave) as receiver:
        for _ in range(1000):
            receiver.socket.post(b"x" * 50_000)
            assert not receiver.lost, "nobody is called back from within `post`"
            await asyncio.sleep(0)
            if receiver.lost:
                break
        assert await receiver.loses() == "backlog"
        receiver.socket.post(b"nothing")


class SlowTransport(asyncio.Transport):
    """A transport whose far end reads the handshake and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: RealtimeSocket
        self.request = b""
        self.unsent, self.high = 0, 64 << 10
        self.aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high or 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.request:
            self.request = bytes(data)
            return
        self.unsent += len(data)
        if self.unsent > self.high:
            self.protocol.pause_writing()

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        """Go on: with TLS what was read already may still come."""


def opened(transport: SlowTransport, receiver: Receiver) -> RealtimeSocket:
    far = ServerProtocol()
    transport.protocol = socket = RealtimeSocket("ws://far/", {}, receiver, SocketBounds())
    socket.connection_made(transport)
    far.receive_data(transport.request)
    [request] = far.events_received()
    far.send_response(far.accept(request))  # type: ignore[arg-type]
    socket.data_received(b"".join(far.data_to_send()))
    return socket


async def test_nothing_is_heard_behind_the_servers_close_in_a_later_read_either() -> None:
    receiver = Receiver()
    socket = opened(SlowTransport(), receiver)
    socket.data_received(text_of("x" * 20))
    socket.data_received(close_of(1000))
    socket.data_received(text_of("y" * 20))
    assert receiver.texts == [b"x" * 20]
    socket.connection_lost(None)
    assert receiver.lost == [("closed_1000", False)]


async def test_a_server_may_leave_some_seconds_of_sound_unread() -> None:
    transport, receiver = SlowTransport(), Receiver()
    socket = opened(transport, receiver)
    while transport.unsent < limits.sockets.MODEL_BACKLOG_MAX_BYTES - 20_000:
        socket.post(b"x" * 10_000)
    await asyncio.sleep(0)
    assert not transport.aborted
    for _ in range(3):
        socket.post(b"x" * 10_000)
    await asyncio.sleep(0)
    assert transport.aborted
    assert receiver.lost == [("backlog", False)]
