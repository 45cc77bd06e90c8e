"""One connection to the model, as a call sees it: events name the connection they came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.errors import LinkError
from gateway.transports import realtime_socket
from gateway.transports.realtime_socket import RealtimeSocket


class ConnectionOwner(Protocol):
    """Receiver of what happens on model connections. Called from the event loop."""

    def on_connection_open(self, connection: ModelConnection) -> None: ...

    def on_connection_text(
        self, connection: ModelConnection, data: bytes | bytearray, now: float
    ) -> None: ...

    def on_connection_lost(
        self, connection: ModelConnection, reason: str, refused: bool, now: float
    ) -> None: ...


def _drop(_data: bytes) -> None:
    pass


class ModelConnection:
    """Connection that is opened once; after `close` its owner hears no more of it."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner: ConnectionOwner | None = owner
        self._socket: RealtimeSocket | None = None
        # Replaced by the socket's own method while it is open: no test for it on the hot path.
        self.post: Callable[[bytes], None] = _drop

    async def open(self, url: str, headers: dict[str, str], within_s: float) -> None:
        """Connect. Raises LinkError; the connection is then closed."""
        try:
            await realtime_socket.connect(url, headers, self, within_s)
        except LinkError:
            self._owner = None
            raise

    @property
    def closed(self) -> bool:
        return self._owner is None

    def hand_to(self, owner: ConnectionOwner) -> None:
        """Have `owner` hear what happens from now on; nothing when it is closed."""
        if self._owner is not None:
            self._owner = owner

    def close(self) -> None:
        self._owner, self.post = None, _drop
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- From the socket ---

    def on_model_open(self, socket: RealtimeSocket) -> None:
        if self._owner is None:
            socket.close()
        else:
            self._socket, self.post = socket, socket.post
            self._owner.on_connection_open(self)

    def on_model_text(self, data: bytes | bytearray, now: float) -> None:
        if self._owner is not None:
            self._owner.on_connection_text(self, data, now)

    def on_model_lost(self, reason: str, refused: bool, now: float) -> None:
        owner, self._owner, self._socket = self._owner, None, None
        self.post = _drop
        if owner is not None:
            owner.on_connection_lost(self, reason, refused, now)
