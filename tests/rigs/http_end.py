"""A web service over a real socket that notes down what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Seen:
    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes
    port: int
    """From which it was asked."""


@dataclass
class HttpEnd:
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """Paths that are answered when their event is set."""
    connections: set[object] = field(default_factory=set)
    """Those that are open."""


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


@asynccontextmanager
async def http_end() -> AsyncIterator[HttpEnd]:
    end = HttpEnd()

    async def answer(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.scope["raw_path"].decode()
        port = request.client.port if request.client else 0
        body = await request.body()
        end.seen.append(Seen(request.method, path + query, dict(request.headers), body, port))
        if request.url.path in end.held:
            await end.held[request.url.path].wait()
        status, headers, body = end.answers.get(request.url.path, (200, {}, b"fine"))
        return Response(body, status, headers)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", answer, methods=methods)])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = _Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    end.connections = server.server_state.connections
    end.url = f"http://127.0.0.1:{server.port()}"
    try:
        yield end
    finally:
        server.should_exit = True
        await server.shutdown()
