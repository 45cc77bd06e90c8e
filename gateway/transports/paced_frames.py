"""WebSocket frames in portions: one socket has a bounded share of each turn of the event loop.

One read may hold forty thousand frames, and the sound of all other calls would wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.limits.sockets import TURN_MAX_BYTES, TURN_MESSAGES_MAX
from gateway.transports.websocket_frames import FrameSplitter


def _ignore(_is_text: bool, _part: bytes) -> None:
    """Handle nothing."""


class PacedFrames:
    """Frames of one socket that were read and not handled yet; reading pauses while there are any.

    `handle` gets each part of the splitter, in order; it must not raise.
    """

    __slots__ = ("_handle", "_loop", "_parts", "_paused", "_splitter", "_transport", "_unsplit")

    def __init__(
        self,
        splitter: FrameSplitter,
        handle: Callable[[bool, bytes], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._splitter, self._handle, self._loop = splitter, handle, loop
        self._parts: deque[tuple[bool, bytes]] = deque()
        self._unsplit = b""
        self._paused = False
        self._transport: asyncio.Transport | None = None

    def take(self, data: bytes, transport: asyncio.Transport) -> None:
        """Handle what was read, as far as one turn goes, and the rest in the turns to come."""
        self._transport = transport
        if len(data) <= TURN_MAX_BYTES and not (self._parts or self._unsplit):
            parts = self._splitter.feed(data)
            if len(parts) == 1:
                return self._handle(*parts[0])
            if not parts:
                return None
            self._parts.extend(parts)
        else:
            self._unsplit += data
        return self._go_on()

    def pause(self, transport: asyncio.Transport) -> None:
        """Handle and read nothing until `release`: the peer waits, as with a slow network."""
        self._paused, self._transport = True, transport
        if not transport.is_closing():
            transport.pause_reading()

    def release(self) -> None:
        """Go on in the next turn."""
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._go_on)

    def drop(self, transport: asyncio.Transport) -> None:
        """Forget what was read, and read nothing any more."""
        self._parts.clear()
        self._unsplit = b""
        self.pause(transport)

    def end(self) -> None:
        """Forget what was read, and who handles it: the connection is gone."""
        self._parts.clear()
        self._unsplit = b""
        self._handle = _ignore

    def _go_on(self) -> None:
        transport = self._transport
        if transport is None or self._paused or transport.is_closing():
            return
        parts = self._parts
        if not parts and self._unsplit:
            portion, self._unsplit = (
                self._unsplit[:TURN_MAX_BYTES],
                self._unsplit[TURN_MAX_BYTES:],
            )
            parts.extend(self._splitter.feed(portion))
        for _ in range(TURN_MESSAGES_MAX):
            if not parts or self._paused:
                break
            self._handle(*parts.popleft())
        if self._paused or transport.is_closing():
            return
        if parts or self._unsplit:
            transport.pause_reading()
            self._loop.call_soon(self._go_on)
        else:
            transport.resume_reading()
