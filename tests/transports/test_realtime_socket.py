"""The model's link against a server that is no more than bytes: what it does with all of them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from far_end import FarEnd, close_of, far_end, text_of
from websockets.frames import Close, Frame, Opcode

from gateway.errors import LinkError
from gateway.transports import realtime_socket
from gateway.transports.realtime_socket import RealtimeSocket, connect

HEADERS = {"Authorization": "Bearer sk-test", "OpenAI-Safety-Identifier": "abc"}
CREATED = '{"type":"session.created","session":{"id":"sess_1"}}'
PEM = Path(__file__).parent / "localhost.pem"


FATAL = {"closed_1003", "closed_1007", "closed_1008", "closed_1010", "closed_4000"}


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

    async def _until(self, true) -> None:
        async with asyncio.timeout(10):
            while not true():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def link(behave) -> AsyncIterator[Receiver]:
    """An open link to a server that behaves so."""
    receiver = Receiver()
    async with far_end(behave) as url:
        await connect(f"{url}/v1/realtime?model=gpt-realtime-2.1", HEADERS, receiver)
        try:
            yield receiver
        finally:
            receiver.socket.close()


async def failure(behave, tls: ssl.SSLContext | None = None) -> LinkError:
    """How a handshake fails with a server that behaves so; the receiver hears nothing of it."""
    receiver = Receiver()
    async with far_end(behave, tls) as url:
        with pytest.raises(LinkError) as caught:
            await connect(f"{url}/v1/realtime", HEADERS, receiver)
    assert (receiver.texts, receiver.lost) == ([], [])
    return caught.value


# --- The handshake ---


async def test_the_request_has_what_is_needed_and_no_more() -> None:
    seen: list[FarEnd] = []

    async def behave(end: FarEnd) -> None:
        await end.accept()
        seen.append(end)
        await end.gone()

    async with link(behave):
        pass
    (end,) = seen
    assert end.request_line == "GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1"
    assert len(base64.b64decode(end.headers.pop("sec-websocket-key"))) == 16
    assert end.headers.pop("host").startswith("127.0.0.1:")
    assert end.headers == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "authorization": "Bearer sk-test",
        "openai-safety-identifier": "abc",
    }, "no OpenAI-Beta, no extension offered"


def refusing(status: str, *headers: str, body: bytes = b"") -> object:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send("\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body)
        await end.gone()

    return behave


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        ("400 Bad Request", False),
        ("401 Unauthorized", False),
        ("403 Forbidden", False),
        ("404 Not Found", True),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
        ("302 Found", True),
    ],
)
async def test_a_status_says_whether_a_second_try_may_help(status: str, retryable: bool) -> None:
    error = await failure(refusing(status, "Content-Length: 2", body=b"{}"))
    assert (error.reason, error.retryable) == (f"http_{status[:3]}", retryable)


async def test_a_refusal_in_chunks_is_a_refusal() -> None:
    body = b"2\r\n{}\r\n0\r\n\r\n"
    error = await failure(refusing("401 No", "Transfer-Encoding: chunked", body=body))
    assert (error.reason, error.retryable) == ("http_401", False)


async def test_a_refusal_that_ends_with_the_connection_is_a_refusal() -> None:
    """No length, not chunked: the body ends where the connection does (RFC 9112, 6.3)."""

    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}")
        end.hang_up()

    error = await failure(behave)
    assert (error.reason, error.retryable) == ("http_401", False)


async def test_a_refusal_may_come_byte_by_byte() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        for byte in b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\n\r\n\r\n{}":
            end.send(bytes([byte]))
            await asyncio.sleep(0)
        await end.gone()

    assert (await failure(behave)).reason == "http_401"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
    ids=["another protocol", "TLS", "half an upgrade", "endless line", "endless headers"],
)
async def test_an_answer_that_is_none_fails_at_once(answer: bytes) -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(answer)
        end.hang_up()

    error = await failure(behave)
    assert error.retryable


async def test_a_wrong_proof_of_the_handshake_is_refused() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.headers["sec-websocket-key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
        end.send(end.acceptance())
        await end.gone()

    assert (await failure(behave)).reason == "handshake"


async def test_an_extension_that_was_not_offered_is_refused() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(end.acceptance("Sec-WebSocket-Extensions: permessage-deflate"))
        await end.gone()

    assert (await failure(behave)).reason == "handshake"


async def test_a_handshake_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "CONNECT_MAX_S", 0.05)

    async def behave(end: FarEnd) -> None:
        await end.request()
        await end.gone()  # and the client does end it

    error = await failure(behave)
    assert (error.reason, error.retryable) == ("timeout", True)


async def test_half_a_handshake_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "CONNECT_MAX_S", 0.05)

    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(end.acceptance()[:-2])
        await end.gone()

    assert (await failure(behave)).reason == "timeout"


async def test_a_server_that_hangs_up_in_the_handshake() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()

    assert (await failure(behave)).retryable


async def test_nobody_there() -> None:
    with pytest.raises(LinkError, match="unreachable") as caught:
        await connect("ws://127.0.0.1:9/v1/realtime", HEADERS, Receiver())
    assert caught.value.retryable


async def test_no_such_host() -> None:
    with pytest.raises(LinkError, match="unreachable"):
        await connect("ws://nobody.invalid/v1/realtime", HEADERS, Receiver())


# --- TLS ---


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


async def silent(end: FarEnd) -> None:
    await end.gone()


async def test_tls_where_there_is_none() -> None:
    async def behave(end: FarEnd) -> None:
        end.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await end.gone()

    async with far_end(behave) as url:
        with pytest.raises(LinkError, match="unreachable"):
            await connect(url.replace("ws:", "wss:"), HEADERS, Receiver())


async def test_a_certificate_that_nobody_vouches_for() -> None:
    assert (await failure(silent, server_tls())).reason == "unreachable"


async def test_a_certificate_of_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "_tls", ssl.create_default_context(cafile=str(PEM)))
    async with far_end(silent, server_tls()) as url:
        with pytest.raises(LinkError, match="unreachable"):
            await connect(url.replace("127.0.0.1", "127.0.0.2"), HEADERS, Receiver())


async def test_a_certificate_that_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "_tls", ssl.create_default_context(cafile=str(PEM)))

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(CREATED))
        assert (await end.frame()).data == b"hello"
        end.say("good day")
        await end.gone()

    receiver = Receiver()
    async with far_end(behave, server_tls()) as url:
        await connect(url.replace("127.0.0.1", "localhost"), HEADERS, receiver)
        receiver.socket.post(b"hello")
        assert await receiver.hears(2) == [CREATED.encode(), b"good day"]
        receiver.socket.close()


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


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4000])
async def test_the_servers_close_code_is_told(code: int) -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(close_of(code) + text_of("after the end"))
        answer = await end.frame()
        assert (answer.opcode, Close.parse(answer.data).code) == (Opcode.CLOSE, code)

    async with link(behave) as receiver:
        assert await receiver.loses() == f"closed_{code}"
        receiver.socket.post(b"into the void")


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
        "opcode 3", "reserved bit", "long ping", "ping in parts", "a part of nothing",
        "masked", "text within text",
    ],
)  # fmt: skip
async def test_a_server_that_breaks_the_protocol_is_left(junk: bytes) -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(junk + text_of("not heard any more"))
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.loses() == "protocol_error"
        assert receiver.texts == []


async def test_a_message_beyond_all_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "MODEL_MESSAGE_MAX_BYTES", 1000)

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of("x" * 1000) + text_of("x" * 1001))
        await end.gone()

    async with link(behave) as receiver:
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


async def test_a_server_that_does_not_answer_a_close_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(realtime_socket, "CLOSE_MAX_S", 0.05)
    cut = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept()
        await end.gone()
        cut.set_result(None)

    async with link(behave) as receiver:
        receiver.socket.close()
        await asyncio.wait_for(cut, 5)


# --- Is it alive? Does it read? ---


async def test_pings_that_are_answered_keep_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(realtime_socket, "PONG_MAX_S", 0.02)

    async def behave(end: FarEnd) -> None:
        await end.accept()
        for _ in range(4):
            ping = await end.frame()
            assert (ping.opcode, len(ping.data)) == (Opcode.PING, struct.calcsize("d"))
            end.send(Frame(Opcode.PONG, bytes(ping.data)).serialize(mask=False))
        end.say("four pings")
        await end.gone()

    async with link(behave) as receiver:
        await receiver.hears()
        assert not receiver.lost


@pytest.mark.parametrize("answer", [b"", b"another"], ids=["nothing", "another pong"])
async def test_a_ping_that_is_not_answered_ends_it(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(realtime_socket, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(realtime_socket, "PONG_MAX_S", 0.05)

    async def behave(end: FarEnd) -> None:
        await end.accept()
        await end.frame()
        end.say("it does send")
        if answer:
            end.send(Frame(Opcode.PONG, answer).serialize(mask=False))
        await end.gone()

    async with link(behave) as receiver:
        assert await receiver.loses() == "ping_timeout"


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
