"""A request's head, as strangers send it: without end, or without coming to its point."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn
from running_gateway import free_listener
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from stream_end import near_end
from uvicorn.server import ServerState

from gateway import limits
from gateway.transports.http_server import BoundedHttp
from gateway.transports.media_socket import MediaSocket


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


HASTE_S = 0.2


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    async with served() as number:
        yield number


@pytest_asyncio.fixture
async def hasty_port() -> AsyncIterator[int]:
    async with served(head_wait_s=HASTE_S) as number:
        yield number


@contextlib.asynccontextmanager
async def served(**bounds: float) -> AsyncIterator[int]:
    listener, state = free_listener(), ServerState()
    app = Starlette(routes=[Route("/", length, methods=["POST"]), WebSocketRoute("/ws", echo)])
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
    server = await loop.create_server(
        lambda: BoundedHttp(config, state, {}, _loop=loop, **bounds), sock=listener
    )
    yield listener.getsockname()[1]
    server.close()
    async with asyncio.timeout(30):
        while state.connections or state.tasks:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


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
