"""A request's head, as strangers send it: without end, or without coming to its point."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn
from running_gateway import free_listener
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from stream_end import NearEnd, near_end, upgrade
from uvicorn.server import ServerState
from websockets.server import ServerProtocol

from gateway import limits
from gateway.transports.connection_limits import ConnectionLimits, descriptors_max
from gateway.transports.http_server import BoundedHttp
from gateway.transports.media_socket import MediaSocket


class Refusals:
    """Reasons that were counted."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._news = asyncio.Event()

    def count(self, reason: str) -> None:
        self.reasons.append(reason)
        self._news.set()

    async def next(self) -> str:
        async with asyncio.timeout(10):
            while not self.reasons:
                self._news.clear()
                await self._news.wait()
        return self.reasons.pop(0)


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def early(_request: Request) -> Response:
    """Answer without a look at the body."""
    return PlainTextResponse("early")


async def long_answer(_request: Request) -> Response:
    return PlainTextResponse("x" * (64 << 20))


STREAMED = 400
"""Pieces of 64 KB of a streamed answer."""


class Streamed:
    """Answer in pieces that counts those it was asked for."""

    def __init__(self) -> None:
        self.pieces = 0

    async def answer(self, _request: Request) -> Response:
        return StreamingResponse(self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        for _ in range(STREAMED):
            self.pieces += 1
            yield b"x" * 65_536


async def begun(request: Request) -> Response:
    """Begin the answer at once, and end it with the body."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        async for _ in request.stream():
            pass

    return StreamingResponse(pieces())


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


HASTE_S = 0.2
OF_A_CONNECTION = (BoundedHttp, MediaSocket, ServerProtocol)


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    async with served() as number:
        yield number


@pytest_asyncio.fixture
async def hasty_port() -> AsyncIterator[int]:
    async with served(head_wait_s=HASTE_S) as number:
        yield number


@contextlib.asynccontextmanager
async def served(
    refusals: Refusals | None = None,
    limits_of: ConnectionLimits | None = None,
    streamed: Streamed | None = None,
    **bounds: float,
) -> AsyncIterator[int]:
    listener, state = free_listener(), ServerState()
    app = Starlette(
        routes=[
            Route("/", length, methods=["POST"]),
            Route("/early", early, methods=["POST"]),
            Route("/long", long_answer),
            Route("/streamed", (streamed or Streamed()).answer),
            Route("/begun", begun, methods=["POST"]),
            Route("/healthz", early),
            WebSocketRoute("/ws", echo),
        ]
    )
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws=MediaSocket,
        lifespan="off",
        log_config=None,
        ws_ping_interval=None,
    )
    config.load()
    loop = asyncio.get_running_loop()
    connection_limits = limits_of or ConnectionLimits((refusals or Refusals()).count)
    server = await loop.create_server(
        lambda: BoundedHttp(
            config, state, {}, _loop=loop, connection_limits=connection_limits, **bounds
        ),
        sock=listener,
    )
    yield listener.getsockname()[1]
    server.close()
    async with asyncio.timeout(30):
        while state.connections or state.tasks:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def cut(reader: asyncio.StreamReader) -> bytes:
    """What still came before the server ended the connection."""
    rest = b""
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(1 << 16), 10):
            rest += data
    return rest


def post(body: bytes, *headers: str) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: gw", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The head of an answer; its body is read, too."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r")[0]))
    return head


@pytest.mark.parametrize("piece", [b"X: " + b"y" * 1000 + b"\r\n", b"y" * 1000])
async def test_a_head_without_end_is_cut_at_the_bound(port: int, piece: bytes) -> None:
    async with connection(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: gw\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(20_000):
                writer.write(piece)
                await writer.drain()
            raise AssertionError("twenty megabytes were taken")
        assert await cut(reader) == b""


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost: gw\r\nX: y"])
async def test_a_head_that_does_not_come_is_not_waited_for(hasty_port: int, said: bytes) -> None:
    async with connection(hasty_port) as (reader, writer):
        writer.write(said)
        assert await cut(reader) == b""


async def test_one_that_has_gone_is_not_counted_as_slow() -> None:
    refusals = Refusals()
    async with served(refusals, head_wait_s=1.0) as port:  # longer than a machine stands still
        async with connection(port) as (_, writer):
            writer.write(b"POST")
            await writer.drain()
        async with connection(port) as (reader, _):  # its time ends after that of the first
            await cut(reader)
        assert await refusals.next() == "slow_head"
        assert refusals.reasons == []


async def test_nor_is_that_of_a_second_request(hasty_port: int) -> None:
    async with connection(hasty_port) as (reader, writer):
        writer.write(post(b"one"))
        assert (await reader.readuntil(b"\r\n\r\n3")).startswith(b"HTTP/1.1 200")
        writer.write(b"POST / HTTP")
        assert await cut(reader) == b""


async def test_the_body_is_no_part_of_the_head(hasty_port: int) -> None:
    """It may be longer, take longer, and stand in the same bytes."""
    body = b"x" * (4 * limits.web.REQUEST_HEAD_MAX_BYTES)
    async with connection(hasty_port) as (reader, writer):
        writer.write(post(body)[:-1])
        await asyncio.sleep(2 * HASTE_S)
        writer.write(b"x")
        answer = await asyncio.wait_for(reader.readuntil(str(len(body)).encode()), 10)
        assert answer.startswith(b"HTTP/1.1 200")


async def test_a_head_up_to_the_bound_is_a_head(port: int) -> None:
    request = post(b"body", "X: " + "y" * (limits.web.REQUEST_HEAD_MAX_BYTES - 1000))
    async with connection(port) as (reader, writer):
        for at in range(0, len(request), 5000):
            writer.write(request[at : at + 5000])
            await writer.drain()
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n4"), 10)
        assert answer.startswith(b"HTTP/1.1 200")


async def test_many_requests_on_one_connection_are_counted_each_by_itself(port: int) -> None:
    request = post(b"body", "X: " + "y" * 3000)
    async with connection(port) as (reader, writer):
        for _ in range(2 * limits.web.REQUEST_HEAD_MAX_BYTES // len(request)):
            writer.write(request)
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n4"), 10)


async def test_a_websocket_has_its_own_bounds(hasty_port: int) -> None:
    async with near_end(hasty_port, "/ws") as end:
        await asyncio.sleep(2 * HASTE_S)
        end.say("x" * 100_000)
        assert len((await end.frame()).data) == 100_000


async def test_so_has_one_on_a_connection_that_was_used_before(hasty_port: int) -> None:
    """A proxy sends handshakes over connections that it kept open after other requests."""
    async with connection(hasty_port) as (reader, writer):
        writer.write(post(b"one"))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n3"), 10)
        writer.write(upgrade("/ws", {}))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 101 ")
        end = NearEnd(reader, writer)
        await asyncio.sleep(2 * HASTE_S)
        end.say("still here")
        assert (await end.frame()).data == b"still here"


# --- What comes too fast, too long or never ---

CHUNKED = b"POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
BREACHES = {
    "chunks of a byte": (CHUNKED + b"1\r\nx\r\n" * 50_000, "chunks"),
    "a body without end": (
        CHUNKED + b"400000\r\n" + b"x" * 0x400000 + (b"\r\n400000\r\n" + b"x" * 0x400000) * 4,
        "body_bytes",
    ),
    "headers": (b"POST / HTTP/1.1\r\n" + b"a:\r\n" * 10_000, "headers"),
    "headers behind the body": (CHUNKED + b"0\r\n" + b"a:\r\n" * 10_000, "headers"),
    "requests that do not wait": (post(b"") * 1_000, "pipelined"),
}


@pytest.mark.parametrize(("wire", "reason"), BREACHES.values(), ids=BREACHES)
async def test_a_request_that_breaks_a_bound_is_closed(wire: bytes, reason: str) -> None:
    refusals = Refusals()
    async with served(refusals) as port, connection(port) as (reader, writer):
        writer.write(wire)
        await cut(reader)
        assert await refusals.next() == reason
        assert not refusals.reasons


def chunks_of_a_byte(count: int) -> bytes:
    return CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n"


def headers(count: int) -> bytes:
    """A request with so many headers."""
    return b"POST / HTTP/1.1\r\nHost: gw\r\n" + b"a: b\r\n" * (count - 1) + b"\r\n"


BODY_MAX = limits.web.REQUEST_BODY_MAX_BYTES
CHUNKS_MAX = limits.web.CHUNKS_FREE + 1  # they have enough bytes for one more
AT_A_BOUND = {
    "chunks": (chunks_of_a_byte(CHUNKS_MAX), chunks_of_a_byte(CHUNKS_MAX + 1), 1),
    "headers": (
        headers(limits.web.REQUEST_HEADERS_MAX),
        headers(limits.web.REQUEST_HEADERS_MAX + 1),
        1,
    ),
    "pipelined": (
        post(b"") * (limits.web.PIPELINED_MAX + 1),
        post(b"") * (limits.web.PIPELINED_MAX + 2),
        limits.web.PIPELINED_MAX + 1,
    ),
}


@pytest.mark.parametrize(
    ("good", "bad", "answers", "reason"),
    [(*wires, reason) for reason, wires in AT_A_BOUND.items()],
    ids=AT_A_BOUND,
)
async def test_a_request_at_a_bound_is_answered_and_the_next_larger_one_is_not(
    good: bytes, bad: bytes, answers: int, reason: str
) -> None:
    refusals = Refusals()
    async with served(refusals) as port:
        async with connection(port) as (reader, writer):
            writer.write(good)
            for _ in range(answers):
                assert (await answered(reader)).startswith(b"HTTP/1.1 200")
        assert refusals.reasons == []
        async with connection(port) as (reader, writer):
            writer.write(bad)
            await cut(reader)
    assert refusals.reasons == [reason]


async def test_the_longest_body_is_read() -> None:
    refusals = Refusals()
    async with served(refusals) as port, connection(port) as (reader, writer):
        writer.write(post(b"x" * BODY_MAX))
        answer = await asyncio.wait_for(reader.readuntil(str(BODY_MAX).encode()), 30)
        assert answer.startswith(b"HTTP/1.1 200")
        writer.write(post(b"x" * (BODY_MAX + 1)))
        assert await refusals.next() == "body_bytes"


async def test_a_head_is_waited_for_up_to_the_bound(port: int) -> None:
    """To the byte: its end may be all that is still missing."""
    head = b"POST / HTTP/1.1\r\nContent-Length: 0\r\nX: "
    head += b"y" * (limits.web.REQUEST_HEAD_MAX_BYTES - len(head))
    async with connection(port) as (reader, writer):
        writer.write(head)
        await writer.drain()
        assert await status_of(port, "/healthz") == b"200"  # by then it has read the other, too
        writer.write(b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), 10)
        assert answer.startswith(b"HTTP/1.1 200")


# --- What is no HTTP ---

NO_CHUNK = b"no chunk\r\n"


async def test_nonsense_in_a_body_is_answered(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(CHUNKED + b"1\r\nx\r\n" + NO_CHUNK)
        assert (await cut(reader)).startswith(b"HTTP/1.1 400 ")


async def test_nonsense_behind_a_request_is_not_its_answer(port: int) -> None:
    """Whoever sent both would take 400 for the answer to the first."""
    async with connection(port) as (reader, writer):
        writer.write(post(b"one") + b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert b"400" not in await cut(reader)


async def test_nonsense_is_not_answered_in_the_middle_of_an_answer(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(CHUNKED.replace(b"POST /", b"POST /begun") + b"1\r\nx\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"begun\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        writer.write(NO_CHUNK)
        assert await cut(reader) == b""


async def test_an_offer_of_another_protocol_is_a_request_like_any_other() -> None:
    """As Java's HTTP client sends with each request: `Upgrade: h2c`."""
    offer = b"GET %s HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    refusals = Refusals()
    few = ConnectionLimits(refusals.count, connections_max=1)
    async with served(limits_of=few) as port, connection(port) as (reader, writer):
        for _ in range(2):
            writer.write(offer % b"/healthz")
            answer = await asyncio.wait_for(reader.readuntil(b"early"), 10)
            assert answer.startswith(b"HTTP/1.1 200 ")
        async with connection(port) as (other, more):
            more.write(offer % b"/long")
            assert (await cut(other)).startswith(b"HTTP/1.1 503 ")
    assert refusals.reasons == ["connections"]


async def test_a_body_may_come_in_many_pieces(port: int) -> None:
    piece = b"%x\r\n" % limits.web.CHUNK_MIN_BYTES + b"x" * limits.web.CHUNK_MIN_BYTES + b"\r\n"
    async with connection(port) as (reader, writer):
        writer.write(CHUNKED + b"1\r\nx\r\n" * 200 + piece * 2_000 + b"0\r\nExpires: never\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"512200"), 10)
        assert answer.startswith(b"HTTP/1.1 200")


async def test_after_an_early_answer_a_long_body_is_not_read() -> None:
    refusals = Refusals()
    async with served(refusals) as port, connection(port) as (reader, writer):
        writer.write(b"POST /early HTTP/1.1\r\nHost: gw\r\nContent-Length: 9999999999\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"early"), 10)).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(ConnectionError):
            for _ in range(20_000):
                writer.write(b"x" * 1000)
                await writer.drain()
            raise AssertionError("twenty megabytes were taken")
        assert await refusals.next() == "unread_body"


async def test_whoever_sends_a_long_body_still_gets_the_early_answer() -> None:
    """Our side is closed, and no reset destroys what is on its way."""
    refusals = Refusals()
    async with served(refusals) as port, connection(port) as (reader, writer):
        writer.write(b"POST /early HTTP/1.1\r\nHost: gw\r\nContent-Length: 9999999999\r\n\r\n")
        writer.write(b"x" * (limits.web.UNREAD_BODY_MAX_BYTES + 1))
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"early")
        assert await refusals.next() == "unread_body"
        writer.write(b"x")
        await writer.drain()
    assert refusals.reasons == [], "it is refused once"


async def test_after_an_early_answer_a_short_body_is_read_and_the_next_request_answered(
    port: int,
) -> None:
    async with connection(port) as (reader, writer):
        for _ in range(3):
            request = post(b"x" * 10_000).replace(b"POST /", b"POST /early")
            writer.write(request[:-5_000])
            answer = await asyncio.wait_for(reader.readuntil(b"early"), 10)
            assert answer.startswith(b"HTTP/1.1 200")
            writer.write(request[-5_000:])


async def test_a_body_up_to_the_bound_is_read_behind_an_early_answer(port: int) -> None:
    async with connection(port) as (reader, writer):
        for _ in range(2):
            request = post(b"x" * limits.web.UNREAD_BODY_MAX_BYTES)
            request = request.replace(b"POST /", b"POST /early")
            writer.write(request[:-5_000])
            answer = await asyncio.wait_for(reader.readuntil(b"early"), 10)
            assert answer.startswith(b"HTTP/1.1 200")
            writer.write(request[-5_000:])


async def test_empty_lines_do_not_keep_a_connection() -> None:
    refusals = Refusals()
    async with served(refusals, head_wait_s=HASTE_S) as port, connection(port) as (reader, writer):
        writer.write(post(b"body"))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n4"), 10)
        writer.write(b"\r\n")
        assert await refusals.next() == "slow_head"
        assert await cut(reader) == b""


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    refusals = Refusals()
    async with served(refusals, body_wait_s=HASTE_S) as port, connection(port) as (reader, writer):
        writer.write(post(b"body")[:-1])
        assert await refusals.next() == "slow_body"
        assert await cut(reader) == b""


async def test_nor_is_a_peer_that_does_not_read_its_answer() -> None:
    refusals = Refusals()
    async with served(refusals, stall_max_s=HASTE_S) as port, connection(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /long HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert await refusals.next() == "unread_answer"


async def test_an_answer_is_made_no_faster_than_it_is_read() -> None:
    refusals, streamed = Refusals(), Streamed()
    async with (
        served(refusals, streamed=streamed, stall_max_s=HASTE_S) as port,
        connection(port) as (_, writer),
    ):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /streamed HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert await refusals.next() == "unread_answer"
        assert streamed.pieces < STREAMED


async def test_a_peer_that_reads_slowly_gets_the_whole_answer() -> None:
    refusals, streamed = Refusals(), Streamed()
    async with served(refusals, streamed=streamed) as port, connection(port) as (reader, writer):
        writer.write(b"GET /streamed HTTP/1.0\r\nHost: gw\r\n\r\n")
        size = 0
        while data := await asyncio.wait_for(reader.read(1 << 16), 10):
            size += len(data)
        assert size > STREAMED * 65_536
    assert refusals.reasons == []


# --- How many there are ---


async def status_of(port: int, path: str) -> bytes:
    async with connection(port) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        return (await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)).split()[1]


async def test_beyond_the_last_connection_probes_and_media_sockets_get_in() -> None:
    refusals = Refusals()
    few = ConnectionLimits(refusals.count, connections_max=1)
    async with served(limits_of=few) as port, connection(port) as (reader, writer):
        writer.write(post(b"one"))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n3"), 10)
        assert await status_of(port, "/long") == b"503"
        assert refusals.reasons == ["connections"]
        assert await status_of(port, "/healthz") == b"200"
        async with connection(port) as (refused, more):
            more.write(post(b"two"))
            assert (await cut(refused)).startswith(b"HTTP/1.1 503 "), "and it is closed then"
        async with near_end(port, "/ws") as end, near_end(port, "/ws") as another:
            for one in (end, another):
                one.say("hello")
                assert (await one.frame()).data == b"hello"
        writer.write(post(b"three"))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n5"), 10)


async def test_one_beyond_the_limits_that_says_nothing_is_not_waited_for_as_long() -> None:
    refusals = Refusals()
    few = ConnectionLimits(refusals.count, connections_max=1)
    async with (
        served(limits_of=few, unwanted_head_wait_s=HASTE_S) as port,
        connection(port) as (reader, writer),
        connection(port) as (unwanted, _),
    ):
        assert await cut(unwanted) == b""
        assert await refusals.next() == "slow_head"
        writer.write(post(b"one"))
        assert (await reader.readuntil(b"\r\n\r\n3")).startswith(b"HTTP/1.1 200")


async def test_a_connection_that_ended_makes_way_for_another() -> None:
    one = ConnectionLimits(connections_max=1)
    async with served(limits_of=one) as port:
        for _ in range(3):
            async with connection(port) as (reader, writer):
                writer.write(post(b"one", "Connection: close"))
                assert (await cut(reader)).startswith(b"HTTP/1.1 200")
        for _ in range(3):
            async with near_end(port, "/ws") as end:
                end.say("hello")
                assert (await end.frame()).data == b"hello"


async def test_the_last_descriptors_are_for_media_sockets() -> None:
    refusals = Refusals()
    scarce = ConnectionLimits(
        refusals.count, descriptors_reserve=descriptors_max(), descriptors_last=0
    )
    async with served(limits_of=scarce) as port:
        assert await status_of(port, "/long") == b"503"
        assert await status_of(port, "/healthz") == b"200"
        async with near_end(port, "/ws") as end:
            end.say("hello")
            assert (await end.frame()).data == b"hello"
    assert refusals.reasons == ["descriptors"]


async def test_the_very_last_are_for_the_process_itself() -> None:
    refusals, most = Refusals(), descriptors_max()
    gone = ConnectionLimits(refusals.count, descriptors_reserve=most, descriptors_last=most)
    async with served(limits_of=gone) as port, connection(port) as (reader, _):
        assert await cut(reader) == b""
    assert refusals.reasons == ["descriptors"]


WRONG_KEY = upgrade("/ws", {}).replace(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST / HT",
        b"\x16\x03\x01 no HTTP\r\n\r\n",
        post(b"body", "Connection: close"),
        post(b"body") * 3,
        post(b"body") * (limits.web.PIPELINED_MAX + 20),
        post(b"body")[:-2],
        upgrade("/ws", {}),
        upgrade("/ws", {}) + b"\xff\xff\xff",
        upgrade("/nowhere", {}),
        WRONG_KEY,
    ],
    ids=[
        *("nothing", "half", "garbage", "post", "pipelined", "pipelined-too-many", "cut"),
        *("ws", "ws-broken", "ws-403", "ws-400"),
    ],
)
async def test_a_connection_that_has_ended_is_freed_at_once(said: bytes) -> None:
    """What waits for the collector is collected in one step, in which every call stands still."""
    gc.collect()
    gc.disable()
    try:
        async with served(head_wait_s=HASTE_S) as port:
            for _ in range(3):
                async with connection(port) as (reader, writer):
                    writer.write(said)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1 << 16), HASTE_S)
        await asyncio.sleep(0)
        left = [type(one) for one in gc.get_objects() if isinstance(one, OF_A_CONNECTION)]
        assert left == []
    finally:
        gc.enable()


async def test_many_that_speak_at_once_are_all_answered(port: int) -> None:
    """More than are read in one turn; those who wait may go, or send more."""
    async with contextlib.AsyncExitStack() as stack:
        many = [
            await stack.enter_async_context(connection(port))
            for _ in range(4 * limits.web.READS_PER_TURN)
        ]
        for n, (_, writer) in enumerate(many):
            writer.write(post(b"x" * n))
        for _, writer in many[::8]:
            writer.transport.abort()
        for n, (reader, writer) in enumerate(many):
            if n % 8:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(len(str(n))) == str(n).encode()
                writer.write(post(b"again"))
                assert (await reader.readuntil(b"\r\n\r\n5")).startswith(b"HTTP/1.1 200")
