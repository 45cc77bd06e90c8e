"""HTTP below the MCP package: bounded answers, and faults that stay with their own request.

The package lets one request that fails end the connection, and with it what every other call has
asked; it gives an answer to whichever request its id names, on whatever connection it came; it
reads on when nobody waits any more; and it asks again as fast as a server tells it to.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from http import HTTPStatus
from typing import Final, TypeVar

import httpx2
import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST, ErrorData, JSONRPCError

from gateway import limits
from gateway.tools.mcp_bounds import AnswerSize, MessagePace
from gateway.tools.mcp_faults import McpStatus
from gateway.tools.mcp_filter import Answer
from gateway.transports.kept_connections import kept_connections
from gateway.transports.tls import tls_context

T = TypeVar("T")
_EVENT_END: Final = re.compile(rb"\r?\n\r?\n")


class AnswerBroken(httpx2.StreamError):
    """Answer that cannot be read to its end; the package blames such an error on one request."""


class Exchange:
    """Requests by which one question is put to a server, for as long as somebody waits."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        """What was wrong with the last answer; None when it could be read."""
        self._over = False
        self._waits: set[asyncio.Timeout] = set()
        self._ids: list[int | str] = []
        """Ids of its requests; the last one is waited for."""

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Return what the awaitable does. Raises ReadTimeout when nobody waits any more."""
        try:
            async with asyncio.timeout(0 if self._over else None) as limit:
                self._waits.add(limit)
                try:
                    return await awaitable
                finally:
                    self._waits.discard(limit)
        except TimeoutError:
            raise httpx2.ReadTimeout("nobody waits for this answer any more") from None

    def ask(self, request: httpx2.Request) -> None:
        """Take note of the id of a request, which an answer must have."""
        message = json.loads(request.content or b"{}")
        if "method" in message and "id" in message:  # not what the server is answered
            self._ids.append(message["id"])

    def has_asked(self, answer_id: int | str | None) -> bool:
        """Return whether an answer with this id is for one of its requests."""
        return not self._ids or any(str(answer_id) == str(one) for one in self._ids)

    def own(self, answer: Answer) -> Answer:
        """Return the answer, or an error in its place where it is for somebody else's request.

        Its id would lead it there: one caller would hear what is for another.
        """
        if isinstance(answer, JSONRPCError) and answer.id is None and self._ids:
            return answer.model_copy(update={"id": self._ids[-1]})  # it could not read the request
        if self.has_asked(answer.id):
            return answer
        self.fault = AnswerBroken("the answer is for another request")
        error = ErrorData(code=INVALID_REQUEST, message=str(self.fault))
        return JSONRPCError(jsonrpc="2.0", id=self._ids[-1], error=error)

    def end(self) -> None:
        """Read no further: an answer that goes on for ever would keep its connection."""
        self._over = True
        for limit in self._waits:
            if limit.when() is None:
                limit.reschedule(asyncio.get_running_loop().time())


_current: ContextVar[Exchange | None] = ContextVar("mcp_exchange", default=None)
"""Set where a question is asked; the package sends the request in a copy of that context."""


@contextmanager
def exchange() -> Iterator[Exchange]:
    """Ask one question inside; an MCPError gets what HTTP came to as its cause."""
    asked = Exchange()
    token = _current.set(asked)
    try:
        yield asked
    except MCPError as error:
        raise error from asked.fault
    finally:
        _current.reset(token)
        asked.end()


class BoundedTransport(httpx2.AsyncBaseTransport):
    """No answer is read beyond a bound, nor an event of a stream of them."""

    def __init__(self, on_flood: Callable[[], object] = lambda: None) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=tls_context(), limits=kept_connections())
        self._pace = MessagePace(on_flood)
        self.connecting = Exchange()
        """Requests that belong to no question."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = _current.get() or self.connecting
        if request.method == "POST":
            asked.ask(request)
        if request.method == "GET":
            if "last-event-id" not in request.headers:
                # A stream for what nobody asked. All that a server could say there is refused or
                # asked for anyway, and the package opens it again without a pause.
                return httpx2.Response(HTTPStatus.METHOD_NOT_ALLOWED, request=request)
            await asked.wait(asyncio.sleep(limits.mcp.RESUME_PAUSE_S))
        try:
            response = await asked.wait(self._inner.handle_async_request(request))
        except httpx2.TransportError as error:
            asked.fault = error
            if request.method != "POST":
                raise
            return httpx2.Response(HTTPStatus.BAD_GATEWAY, request=request)
        # It was asked not to: a few bytes of packed text can become gigabytes.
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            asked.fault = httpx2.DecodingError("the answer is compressed")
            return httpx2.Response(HTTPStatus.BAD_GATEWAY, request=request)
        refused = response.status_code >= HTTPStatus.BAD_REQUEST
        asked.fault = McpStatus(response.status_code) if refused else None
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            kind = response.headers.get("content-type", "")
            response.stream = (
                _BoundedEvents(stream, asked, self._pace)
                if kind.startswith("text/event-stream")
                else _BoundedStream(stream, asked)
            )
        return response

    def own(self, answer: Answer, context: Context | None) -> Answer:
        """Return the answer, or an error where it came to a request that it is not for.

        `context` is that of the task which read it.
        """
        asked = None if context is None else context.get(_current)
        return (asked or self.connecting).own(answer)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, asked: Exchange) -> None:
        self._inner, self._asked, self._size = inner, asked, AnswerSize()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._inner)
        while True:
            try:
                chunk = await self._asked.wait(anext(chunks))
                self._count(chunk)
            except StopAsyncIteration:
                return
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                self._asked.fault = error
                raise AnswerBroken("the answer cannot be read") from error
            await self._paced()
            yield chunk

    def _count(self, chunk: bytes) -> None:
        if not self._size.add(chunk):
            raise httpx2.DecodingError("the answer is longer than can be read")

    async def _paced(self) -> None:
        """Wait when the server sends faster than is read."""

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Head(msgspec.Struct):
    """Fields by which an answer is told from other messages, and whose it is."""

    id: int | str | None = None
    method: str | None = None


_head: Final = msgspec.json.Decoder(_Head)


class _BoundedEvents(_BoundedStream):
    """Server-sent events; each ends with an empty line.

    The package takes any answer in the stream for the one that was asked for, whatever its id.
    """

    def __init__(self, inner: httpx2.AsyncByteStream, asked: Exchange, pace: MessagePace) -> None:
        super().__init__(inner, asked)
        self._before = b""
        self._event = bytearray()
        """What has come of an event that is not complete."""
        self._pace, self._events = pace, 0

    def _count(self, chunk: bytes) -> None:
        if chunk.count(b"\n") + chunk.count(b"\r") > limits.mcp.EVENT_LINES_MAX:
            raise httpx2.DecodingError("the answer has more lines than can be read")
        first, *others = _EVENT_END.split(self._before + chunk)
        super()._count(first[len(self._before) :])
        self._event += first[len(self._before) :]
        for event in others:
            self._check()
            self._size.restart()
            super()._count(event)
            self._event += event
        self._before = chunk[-3:] if chunk.endswith((b"\r", b"\n")) else b""
        self._events = len(others)

    def _check(self) -> None:
        """Take an event that is complete. Raises DecodingError for somebody else's answer."""
        data = b"\n".join(
            line[5:] for line in bytes(self._event).splitlines() if line.startswith(b"data:")
        )
        self._event.clear()
        try:
            message = _head.decode(data)
        except (msgspec.DecodeError, UnicodeError):
            return  # not an answer, or none that can be read: the package says so
        answers = message.method is None and message.id is not None
        if answers and not self._asked.has_asked(message.id):
            raise httpx2.DecodingError("the answer is for another request")

    async def _paced(self) -> None:
        await self._asked.wait(self._pace.passed(self._events))
