"""One connection to the model, as the call sees it: which of them an event came from matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.errors import LinkError
from gateway.transports import realtime_socket
from gateway.transports.realtime_socket import RealtimeSocket


class SessionConnector(Protocol):
    """Who holds the lines of a call."""

    def on_line_open(self, line: ModelConnection) -> None: ...

    def on_line_text(self, line: ModelConnection, data: bytes | bytearray, now: float) -> None: ...

    def on_line_lost(
        self, line: ModelConnection, reason: str, refused: bool, now: float
    ) -> None: ...


def _drop(_data: bytes) -> None:
    pass


class ModelConnection:
    """Opened once; given up, nothing more is heard of it."""

    def __init__(self, holder: SessionConnector) -> None:
        self._holder: SessionConnector | None = holder
        self._socket: RealtimeSocket | None = None
        self.post: Callable[[bytes], None] = _drop
        """One message; none is sent on a line that is not open yet, or is not any more."""

    async def open(self, url: str, headers: dict[str, str], within_s: float) -> None:
        """Raises LinkError; then the line is as good as given up."""
        try:
            await realtime_socket.connect(url, headers, self, within_s)
        except LinkError:
            self._holder = None
            raise

    @property
    def given_up(self) -> bool:
        return self._holder is None

    def close(self) -> None:
        self._holder, self.post = None, _drop
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- What the socket tells ---

    def on_model_open(self, socket: RealtimeSocket) -> None:
        if self._holder is None:
            socket.close()
        else:
            self._socket, self.post = socket, socket.post
            self._holder.on_line_open(self)

    def on_model_text(self, data: bytes | bytearray, now: float) -> None:
        if self._holder is not None:
            self._holder.on_line_text(self, data, now)

    def on_model_lost(self, reason: str, refused: bool, now: float) -> None:
        holder, self._holder, self._socket = self._holder, None, None
        self.post = _drop
        if holder is not None:
            holder.on_line_lost(self, reason, refused, now)
