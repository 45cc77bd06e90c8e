"""Uvicorn's HTTP with bounds on the head of a request: its length, and the time that it takes.

The reader of a body bounds the body. Without these bounds a stranger could fill the memory with
one endless header, or keep a connection for ever by sending nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.limits.web import REQUEST_HEAD_MAX_BYTES, REQUEST_HEAD_WAIT_S


class BoundedHttp(HttpToolsProtocol):
    """HTTP connection that is cut when the head of a request is too long or too late."""

    def __init__(self, *args: Any, head_wait_s: float = REQUEST_HEAD_WAIT_S, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_wait_s = head_wait_s
        self._head_bytes = 0
        self._head_due: asyncio.TimerHandle | None = None
        """Set while a head is awaited."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_due is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > REQUEST_HEAD_MAX_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_due is None:  # a further request on the same connection
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_due = self.loop.call_later(self._head_wait_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
