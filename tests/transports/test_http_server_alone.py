"""The server's end of one connection, without a socket: each step when the test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from transport_double import TransportDouble
from uvicorn.server import ServerState

from gateway import limits
from gateway.transports.connection_limits import ConnectionLimits
from gateway.transports.http_server import BoundedHttp

POST = b"POST /length HTTP/1.1\r\nHost: gw\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST /length HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"


class Rig:
    """One connection, and the endpoints behind it."""

    def __init__(self, **bounds: float) -> None:
        self.pieces = 0
        self.refused: list[str] = []
        self.disconnected = asyncio.Event()
        app = Starlette(
            routes=[
                Route("/length", self.length, methods=["POST"]),
                Route("/early", self.early, methods=["POST"]),
                Route("/streamed", self.streamed),
            ]
        )
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        self.state, self.transport = ServerState(), TransportDouble()
        self.http = BoundedHttp(
            config,
            self.state,
            {},
            _loop=asyncio.get_running_loop(),
            connection_limits=ConnectionLimits(self.refused.append),
            **bounds,
        )
        self.http.connection_made(self.transport)

    async def length(self, request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            self.disconnected.set()
            raise

    async def early(self, _request: Request) -> Response:
        return PlainTextResponse("early")

    async def streamed(self, _request: Request) -> Response:
        return StreamingResponse(self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        for _ in range(10):
            self.pieces += 1
            yield b"piece"

    async def turns(self) -> None:
        """Let the endpoints do what they can now."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.http.connection_lost(None)
        self.transport.socket.close()
        await self.turns()
        assert not self.state.tasks


async def test_an_answer_is_not_made_while_nobody_reads_it() -> None:
    rig = Rig()
    rig.http.data_received(b"GET /streamed HTTP/1.1\r\nHost: gw\r\n\r\n")
    rig.http.pause_writing()
    await rig.turns()
    assert rig.pieces <= 1
    assert rig.transport.written == b""
    rig.http.resume_writing()
    await rig.turns()
    assert rig.transport.written.count(b"piece") == rig.pieces == 10
    await rig.end()


async def test_what_had_to_wait_is_read_on_when_it_was_handled() -> None:
    rig = Rig()
    rig.transport.pause_reading()
    rig.http.read(POST % 5 + b"hel")
    assert rig.transport.reading
    rig.http.data_received(b"lo")
    await rig.turns()
    assert rig.transport.written.endswith(b"\r\n\r\n5")
    await rig.end()


async def test_but_not_past_a_request_that_waits_for_the_answer_to_another() -> None:
    """Who sends requests without end would otherwise have them all kept here."""
    rig = Rig()
    rig.transport.pause_reading()
    rig.http.read((POST % 2 + b"hi") * 2)
    assert not rig.transport.reading
    await rig.turns()
    assert rig.transport.written.count(b"\r\n\r\n2") == 2
    assert rig.transport.reading
    await rig.end()


async def test_a_head_that_begins_behind_another_request_has_its_time_too() -> None:
    """Its request waits for the answer to the one before; its sender would keep the connection."""
    cut = asyncio.Event()
    rig = Rig(head_wait_s=0.001)
    rig.transport.abort = cut.set  # type: ignore[method-assign]
    rig.http.data_received(POST % 2 + b"hi" + b"POST /len")
    await asyncio.wait_for(cut.wait(), 10)
    assert rig.refused == ["slow_head"]
    await rig.end()


async def test_nothing_is_read_of_a_connection_that_was_closed_meanwhile() -> None:
    rig = Rig()
    rig.transport.pause_reading()
    rig.http.read(b"\x16\x03\x01 no HTTP\r\n\r\n")
    assert rig.transport.written.startswith(b"HTTP/1.1 400 ")
    assert (rig.transport.closing, rig.transport.reading) == (True, False)
    await rig.end()


async def test_an_endpoint_hears_that_the_rest_of_its_body_is_nonsense() -> None:
    """At once: a client that does not read its answer would keep the connection, and the task."""
    rig = Rig()
    rig.http.data_received(CHUNKED + b"1\r\nx\r\n")
    await rig.turns()
    rig.http.data_received(b"no chunk\r\n")
    await rig.turns()
    assert rig.disconnected.is_set()
    assert rig.transport.written.startswith(b"HTTP/1.1 400 ")
    assert rig.transport.written.count(b"HTTP/1.1") == 1
    await rig.end()


async def test_who_sends_too_much_in_one_turn_is_read_no_further_before_the_next() -> None:
    rig = Rig()
    request = POST % 2 + b"hi"
    for at in range(limits.web.READS_PER_TURN):
        rig.http.data_received(request[at : at + 1])
    assert rig.transport.reading
    rig.http.data_received(request[limits.web.READS_PER_TURN :])
    assert not rig.transport.reading
    await rig.turns()
    assert rig.transport.reading
    assert rig.transport.written.endswith(b"\r\n\r\n2")
    await rig.end()


EARLY = (POST % 9_999_999).replace(b"/length", b"/early")


async def test_a_body_that_goes_on_after_the_answer_is_no_head() -> None:
    """And has as much time as any body."""
    rig = Rig(head_wait_s=0.001)
    rig.http.data_received(EARLY)
    await rig.turns()
    assert rig.transport.written.endswith(b"early")
    rig.http.data_received(b"x")
    # The timers of an event loop fire in order.
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.005, passed.set)
    await passed.wait()
    assert (rig.transport.closing, rig.refused) == (False, [])
    await rig.end()


async def test_after_an_early_answer_a_body_is_read_up_to_the_bound() -> None:
    rig = Rig()
    rig.http.data_received(EARLY + b"x" * limits.web.UNREAD_BODY_MAX_BYTES)
    await rig.turns()
    assert rig.transport.written.endswith(b"early")
    assert (rig.transport.ended, rig.refused) == (False, [])
    rig.http.data_received(b"x")
    assert (rig.transport.ended, rig.refused) == (True, ["unread_body"])
    assert not rig.transport.reading
    await rig.end()
