"""One port for two protocols: WebSocket handshakes begin with GET, control calls with POST."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from websockets.asyncio.server import ServerConnection

from gateway.simulator.openai.realtime.connection import SimConnection

KEEP_ALIVE_S: Final = 60
_GET: Final = b"GET "


class HttpApp:
    """ASGI app that answers requests that do not begin with GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_S,
            loop="none",
            http="httptools",
            ws="none",
        )
        self._config.load()
        self._state = ServerState()
        self.unidentified: set[asyncio.BaseTransport] = set()
        """Connections that have not sent enough to tell the protocol."""

    def protocol(self) -> asyncio.Protocol:
        return HttpToolsProtocol(self._config, self._state, {})

    def shut_down(self) -> None:
        """Close the connections that would keep the server open."""
        for connection in tuple(self._state.connections):
            connection.shutdown()
        for transport in tuple(self.unidentified):
            cast("asyncio.Transport", transport).abort()


class _Multiplexer(SimConnection):
    """Connection that reads its first bytes before it is a WebSocket or an HTTP connection."""

    def __init__(self, *args: Any, http: HttpApp, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http = http
        self._first = b""
        self._waiting: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._waiting = cast("asyncio.Transport", transport)
        self._http.unidentified.add(transport)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            super().data_received(data)
            return
        self._first += data
        if len(self._first) < len(_GET) and _GET.startswith(self._first):
            return
        self._dispatch(self._waiting, self._first)

    def _dispatch(self, transport: asyncio.Transport, first: bytes) -> None:
        self._http.unidentified.discard(transport)
        self._waiting, self._first = None, b""
        if first.startswith(_GET):
            super().connection_made(transport)
            super().data_received(first)
            return
        protocol = self._http.protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(first)

    def eof_received(self) -> None:
        if self._waiting is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is None:
            super().connection_lost(exc)
        else:
            self._http.unidentified.discard(self._waiting)


def multiplexer(http: HttpApp) -> type[ServerConnection]:
    """Return the connection class for `websockets.serve(create_connection=...)`."""

    def create(*args: Any, **kwargs: Any) -> _Multiplexer:
        return _Multiplexer(*args, http=http, **kwargs)

    return cast("type[ServerConnection]", create)
