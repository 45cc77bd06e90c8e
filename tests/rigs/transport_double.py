"""A transport without a network, for protocols and for what reads and writes in turns."""

from __future__ import annotations

import asyncio
import socket
from functools import cached_property
from typing import Any


class TransportDouble(asyncio.Transport):
    """Keeps what is written; a test looks at what was asked of it, and closes the socket."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unread = 0
        """Bytes that the other end has not taken, as the test says."""
        self.reading = True
        self.closing = self.ended = False

    @cached_property
    def socket(self) -> socket.socket:
        """For whoever looks at its descriptor or sets an option; connected to nothing."""
        return socket.socket()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True
