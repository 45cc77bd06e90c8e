"""Probes of the model, without a caller, while the circuit breaker is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from gateway import limits
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.errors import LinkError, PeerError
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.protocols import realtime_codec, realtime_server

log = structlog.get_logger()


class ModelProbe:
    """One session, opened and closed again; the model works if `session.created` came."""

    def __init__(self) -> None:
        self._seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def fault(self, url: str, headers: Mapping[str, str]) -> str:
        """Return why no session could be opened, "" when one could."""
        connection = ModelConnection(self)
        try:
            await connection.open(url, dict(headers), limits.model.MODEL_TRY_MAX_S)
            async with asyncio.timeout(limits.model.MODEL_TRY_MAX_S):
                return await self._seen
        except LinkError as error:
            return error.reason
        except TimeoutError:
            return "silent"
        finally:
            connection.close()

    def on_connection_open(self, connection: ModelConnection) -> None:
        """Wait on: a socket that is open is no session yet."""

    def on_connection_text(
        self,
        connection: ModelConnection,  # noqa: ARG002 - the owner's shape
        data: bytes | bytearray,
        now: float,  # noqa: ARG002
    ) -> None:
        try:
            event = realtime_codec.parse(data)
        except PeerError:
            return
        if isinstance(event, realtime_server.RepairedEvent):
            event = event.event
        if isinstance(event, realtime_server.SessionCreated):
            self._finish("")
        elif isinstance(event, realtime_server.Error):
            self._finish(event.error.code or event.error.type or "error")

    def on_connection_lost(
        self,
        connection: ModelConnection,  # noqa: ARG002
        reason: str,
        refused: bool,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> None:
        self._finish(reason)

    def _finish(self, fault: str) -> None:
        if not self._seen.done():
            self._seen.set_result(fault)


async def watch_model(
    breaker: CircuitBreaker,
    url: Callable[[], str],
    headers: Mapping[str, str],
    *,
    look_every_s: float = limits.model.BREAKER_LOOK_S,
) -> None:
    """Probe the model whenever the circuit breaker allows it, until cancelled.

    `url` returns the address of a model that an agent uses now.
    """
    while True:
        await asyncio.sleep(look_every_s)
        if breaker.probe_due:
            if fault := await ModelProbe().fault(url(), headers):
                log.warning("model_probe_failed", reason=fault)
                breaker.failed(fault)
            else:
                breaker.worked()
