"""Looks whether the model can be had, without a caller: while the circuit breaker is open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.bridge.model_line import ModelLine
from gateway.errors import LinkError, PeerError
from gateway.limits import LAG_PROBE_S, MODEL_TRY_MAX_S
from gateway.ops.breaker import Breaker
from gateway.protocols import realtime_server


class Probe:
    """One session, opened and closed again: it is there when `session.created` came."""

    def __init__(self) -> None:
        self._seen: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def works(self, url: str, headers: Mapping[str, str]) -> bool:
        line = ModelLine(self)
        try:
            await line.open(url, dict(headers), MODEL_TRY_MAX_S)
            async with asyncio.timeout(MODEL_TRY_MAX_S):
                return await self._seen
        except (LinkError, TimeoutError):
            return False
        finally:
            line.close()

    def on_line_open(self, line: ModelLine) -> None:
        """Connected is not admitted."""

    def on_line_text(
        self,
        line: ModelLine,  # noqa: ARG002 - the holder's shape
        data: bytes | bytearray,
        now: float,  # noqa: ARG002
    ) -> None:
        try:
            event = realtime_server.parse(data)
        except PeerError:
            return
        if isinstance(event, realtime_server.SessionCreated | realtime_server.Error):
            self._tell(isinstance(event, realtime_server.SessionCreated))

    def on_line_lost(self, line: ModelLine, reason: str, refused: bool, now: float) -> None:  # noqa: ARG002 - the holder's shape
        self._tell(False)

    def _tell(self, works: bool) -> None:
        if not self._seen.done():
            self._seen.set_result(works)


async def watch_model(breaker: Breaker, url: str, headers: Mapping[str, str]) -> None:
    while True:
        await asyncio.sleep(LAG_PROBE_S)
        if breaker.probe_due:
            if await Probe().works(url, headers):
                breaker.worked()
            else:
                breaker.failed()
