"""An MCP server over streamable HTTP, on a raw socket, that misbehaves as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OBJECT = {"type": "object"}
LISTED = {"tools": [{"name": name, "inputSchema": OBJECT} for name in ("one", "slow")]}
Behave = Callable[["Asked"], Awaitable[None]]


@dataclass
class Asked:
    """One request, and what can be done with it."""

    method: str
    message: dict[str, Any]
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reply(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        named = {"content_type": "application/json", "content_length": str(len(body))} | headers
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
        head = "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""])
        self.writer.write(head.encode() + body)

    def result(self, result: object, **headers: str) -> None:
        answer = {"jsonrpc": "2.0", "id": self.message["id"], "result": result}
        self.reply(200, json.dumps(answer).encode(), **headers)

    def text(self, text: str) -> None:
        self.result({"content": [{"type": "text", "text": text}]})

    def stream(self, *events: dict[str, Any] | str) -> None:
        """Begin an answer of events; the connection's end is its end."""
        self.writer.write(
            b"HTTP/1.1 200 Said\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        )
        for event in events:
            said = event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"
            self.writer.write(said.encode())


@dataclass
class McpHttpEnd:
    url: str = ""
    call: Behave | None = None
    """What it does when a tool is called; else it says the tool's name."""
    listing: Behave | None = None
    seen: list[str] = field(default_factory=list)
    """HTTP methods and the methods of the messages in them, in order."""
    sessions: int = 0

    async def handle(self, asked: Asked) -> None:
        method = asked.message.get("method", "")
        self.seen.append(f"{asked.method} {method}".strip())
        if asked.method == "GET":
            asked.stream("retry: 0\n\n")
            asked.writer.close()
        elif "id" not in asked.message:
            asked.reply(202)
        elif method == "initialize":
            self.sessions += 1
            offered = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "raw", "version": "1"},
            }
            asked.result(offered, mcp_session_id=f"s{self.sessions}")
        elif method == "tools/list":
            await (self.listing or _listed)(asked)
        elif method == "tools/call":
            await (self.call or _named)(asked)
        else:
            asked.reply(404)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever asked may hang up at any time.
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while not writer.is_closing():
                await self.handle(await _read(reader, writer))
                await writer.drain()
        writer.close()


async def _listed(asked: Asked) -> None:
    asked.result(LISTED)


async def _named(asked: Asked) -> None:
    asked.text(asked.message["params"]["name"])


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split()[0], json.loads(body or b"{}"), headers, reader, writer)


@asynccontextmanager
async def mcp_http_end() -> AsyncIterator[McpHttpEnd]:
    end = McpHttpEnd()
    async with await asyncio.start_server(end.serve, "127.0.0.1", 0) as server:
        end.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        yield end
