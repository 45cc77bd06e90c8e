"""Opening connections to the model: new sessions, and sidebands of sessions that exist."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final
from urllib.parse import quote

from gateway import limits
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.start_pacer import StartPacer
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.errors import LinkError
from gateway.transports.retry import doubling

_NO_SUCH_CALL: Final = "http_404"


class ModelConnector:
    """Opens model connections for all calls of this process, paced among them."""

    def __init__(
        self,
        realtime_url: str,
        headers: Callable[[CallInfo], dict[str, str]],
        start_pacer: StartPacer,
        *,
        try_max_s: float = limits.model.MODEL_TRY_MAX_S,
        sideband_pause_max_s: float = limits.sip.SIDEBAND_PAUSE_MAX_S,
    ) -> None:
        self._realtime_url, self._headers, self._start_pacer = realtime_url, headers, start_pacer
        self._try_max_s, self._sideband_pause_max_s = try_max_s, sideband_pause_max_s

    async def open_session(
        self, connection: ModelConnection, facts: CallInfo, model: str, after_s: float
    ) -> None:
        """Try once to open a new session; the call core decides on further tries.

        Raises LinkError.
        """
        if after_s:
            await asyncio.sleep(after_s)
        await self._start_pacer.enter()
        if connection.closed:
            return
        url = f"{self._realtime_url}?model={quote(model, safe='')}"
        await connection.open(url, self._headers(facts), self._try_max_s)

    async def open_sideband(self, call: RunningCall) -> None:
        """Open the sideband of a call's session, with retries."""
        facts = call.facts
        url = f"{self._realtime_url}?call_id={quote(facts.call_id, safe='')}"
        pauses = doubling(limits.sip.SIDEBAND_FIRST_PAUSE_S, self._sideband_pause_max_s)
        for left in reversed(range(limits.sip.SIDEBAND_TRIES)):
            await self._start_pacer.enter()
            if call.over:
                return None
            connection = call.new_connection()
            try:
                return await connection.open(
                    url, self._headers(facts), limits.sockets.CONNECT_MAX_S
                )
            except LinkError as error:
                # A 404 before the first time is a session that is still being made.
                if error.reason == _NO_SUCH_CALL and call.attached:
                    return call.notify(inputs.SipCallEnded())
                if call.over:
                    return None
                if not error.retryable or not left:
                    return call.on_connection_lost(
                        connection, error.reason, not error.retryable, monotonic()
                    )
            await asyncio.sleep(next(pauses))
        return None
