"""One connection to an MCP server, by the official package: streamable HTTP, or a process of ours.

Imported only where an agent has such a server: the package takes most of a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx2
from mcp.client import Client, Transport
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    CallToolResult,
    Implementation,
    TextContent,
)

from gateway import __version__, limits
from gateway.agents.config.mcp import McpServer
from gateway.agents.config.tool_options import all_with_secrets, with_secrets
from gateway.errors import ToolError
from gateway.tools.mcp_bounds import LINES, MessagePace, bounded_lines
from gateway.tools.mcp_faults import McpSessionLost, McpStatus
from gateway.tools.mcp_filter import FilteredTransport, OwnAnswer, any_answer
from gateway.tools.mcp_http import BoundedTransport, exchange

_US = Implementation(name="gateway", version=__version__)
_SESSION_LOST: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST})
"""Answers to a session that the server does not know; many have 400 where the standard has 404."""
_NOT_ITS_OWN: Final = frozenset({INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, REQUEST_TIMEOUT})
"""Errors that are about the request, and not what a tool came to."""
_SAYS_CLOSED: Final = re.compile("Connection closed|SSE stream ")
"""The package's own words; it has them under a code that servers use for what they like."""


@dataclass(frozen=True, slots=True)
class ListedMcpTool:
    """A tool as the server describes it."""

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def size_chars(self) -> int:
        """Size of the tool's description for the model, in characters."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return len(self.name) + len(self.description) + len(schema)


@dataclass(frozen=True, slots=True)
class McpToolList:
    """Tools of a server that can be offered, and the others by name, each with the reason."""

    tools: tuple[ListedMcpTool, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


class McpConnection:
    """Connection over which a server is asked for its tools and told to run them."""

    def __init__(self, client: Client, left_out: list[tuple[str, str]]) -> None:
        """`left_out` is filled by the filter of the connection's transport."""
        self._client, self._left_out = client, left_out

    async def tools(self) -> McpToolList:
        """All pages of them, within bounds; also the question whether the server is there."""
        with exchange():
            return await self._tools()

    async def _tools(self) -> McpToolList:
        found: list[ListedMcpTool] = []
        self._left_out.clear()
        cursor: str | None = None
        for _ in range(limits.mcp.PAGES_MAX):
            page = await self._client.list_tools(cursor=cursor, cache_mode="bypass")
            found += [
                ListedMcpTool(t.name, t.description or "", t.input_schema) for t in page.tools
            ]
            cursor = page.next_cursor
            if cursor is None or len(found) >= limits.mcp.LISTED_MAX:
                break
        rest = [(t.name, "the list is too long") for t in found[limits.mcp.LISTED_MAX :]]
        if cursor is not None:
            rest.append(("further pages", "the list is too long"))
        return McpToolList(tuple(found[: limits.mcp.LISTED_MAX]), (*self._left_out, *rest))

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Raises ToolError for what the tool itself says, and McpSessionLost.

        All else is the connection's.
        """
        try:
            with exchange() as asked:
                result = await self._client.call_tool(name, dict(arguments))
        except MCPError as error:
            if error.code == INVALID_PARAMS:
                raise ToolError(f"Wrong arguments: {error.message[:300]}.") from error
            fault = asked.fault
            if isinstance(fault, McpStatus) and fault.status in _SESSION_LOST:
                raise McpSessionLost from error
            if fault is not None or error.code in _NOT_ITS_OWN or _SAYS_CLOSED.match(error.message):
                raise
            words_of_error = error.message[:500] or "no reason was given"
            raise ToolError(
                f"It did not work: {words_of_error}", f"mcp_error_{error.code}"
            ) from error
        said = words(result)
        if result.is_error:
            raise ToolError(f"It did not work: {said[:500] or 'no reason was given'}")
        return said


def words(result: CallToolResult) -> str:
    """Return the text of a filtered result."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    if not texts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(texts)


class StderrTail:
    """The last lines of a process's standard error, without the secrets that it was given."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = sorted(filter(None, secrets.values()), key=len, reverse=True)
        self._torn = max((len(secret.encode()) for secret in self._secrets), default=0)
        """Of what is kept, so much may be the rest of a secret that began before it."""
        self._most = limits.mcp.STDERR_LINES_KEPT * limits.mcp.STDERR_LINE_MAX_BYTES + self._torn
        self._said = b""

    def __str__(self) -> str:
        text = self._said.decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        if len(self._said) == self._most:
            text = text[self._torn :]
        lines = [line.strip()[: limits.mcp.STDERR_LINE_MAX_BYTES] for line in text.splitlines()]
        return " / ".join([line for line in lines if line][-limits.mcp.STDERR_LINES_KEPT :])

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Until the process has closed it; what is not kept is thrown away."""
        while chunk := await stream.read(limits.mcp.STDERR_LINE_MAX_BYTES):
            self._said = (self._said + chunk)[-self._most :]


def _ignore_flood() -> None:
    """Report nothing."""


@asynccontextmanager
async def connected(
    server: McpServer,
    secrets: Mapping[str, str],
    last_words: StderrTail,
    on_flood: Callable[[], object] = _ignore_flood,
) -> AsyncIterator[McpConnection]:
    """Raises whatever keeps it from being had; a process is ended with the connection.

    `on_flood` is called when the server sends faster than is read.
    """
    opened = _by_http if server.url is not None else _by_process
    async with opened(server, secrets, last_words, on_flood) as wire:
        yield wire


@asynccontextmanager
async def _by_http(
    server: McpServer,
    secrets: Mapping[str, str],
    _last_words: StderrTail,
    on_flood: Callable[[], object],
) -> AsyncIterator[McpConnection]:
    # Not packed: a small answer would be allowed to become a large one.
    headers = {"Accept-Encoding": "identity"}
    headers |= all_with_secrets(server.headers, secrets)
    if server.authorization is not None:
        headers["Authorization"] = f"Bearer {with_secrets(server.authorization, secrets)}"
    patience = httpx2.Timeout(limits.sockets.CONNECT_MAX_S, read=limits.tools.TOOL_TIMEOUT_MAX_S)
    transport, failed = BoundedTransport(on_flood), None
    try:
        async with (
            httpx2.AsyncClient(
                transport=transport, headers=headers, timeout=patience, trust_env=False
            ) as http,
            _filtered(
                streamable_http_client(server.url or "", http_client=http), on_flood, transport.own
            ) as wire,
        ):
            yield wire
    except Exception as error:
        failed = transport.connecting.fault or error
    if failed is not None:
        raise failed  # outside, where the package's words do not become its context


@asynccontextmanager
async def _by_process(
    server: McpServer,
    secrets: Mapping[str, str],
    last_words: StderrTail,
    on_flood: Callable[[], object],
) -> AsyncIterator[McpConnection]:
    command, *arguments = server.command or [""]
    env = all_with_secrets(server.env, secrets)
    parameters = StdioServerParameters(command=command, args=arguments, env=env, encoding=LINES)
    begin, end = os.pipe()
    with os.fdopen(end, "w") as errors:
        async with _listening(begin, last_words), bounded_lines():
            transport = stdio_client(parameters, errlog=errors)
            async with _filtered(transport, on_flood) as wire:
                yield wire


@asynccontextmanager
async def _filtered(
    transport: Transport, on_flood: Callable[[], object], own: OwnAnswer = any_answer
) -> AsyncIterator[McpConnection]:
    left_out: list[tuple[str, str]] = []

    def on_left_out(name: str, reason: str) -> None:
        left_out.append((name, reason))

    filtered = FilteredTransport(transport, on_left_out, MessagePace(on_flood), own)
    async with Client(filtered, client_info=_US, cache=None) as client:
        yield McpConnection(client, left_out)


@asynccontextmanager
async def _listening(descriptor: int, last_words: StderrTail) -> AsyncIterator[None]:
    """Takes in what comes out of a pipe, so that its writer never waits."""
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb")
    )
    reading = loop.create_task(last_words.read(stream))
    try:
        yield
    finally:
        reading.cancel()
        pipe.close()
