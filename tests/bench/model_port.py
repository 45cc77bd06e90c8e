"""The vendor's one port under load: a WebSocket for each session, and REST for SIP calls."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Final, cast

from bench.model_end import ModelEnd
from bench.sound import Sound

_DECISION: Final = re.compile(rb"POST \S*/realtime/calls/([^/ ]+)/(\w+) HTTP/1\.1")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SIDEBAND: Final = b"call_id="
_DONE: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class ModelPort(asyncio.Protocol):
    """Looks at the first request of a connection, and is or becomes what it asks for.

    `opened` is told each session; `decided` counts (call_id, what was decided).
    """

    def __init__(
        self, sound: Sound, opened: Callable[[ModelEnd], None], decided: Counter[tuple[str, str]]
    ) -> None:
        self._sound, self._opened, self._decided = sound, opened, decided
        self._heard = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._heard[:end])
            if head.startswith(b"GET "):
                return self._become_session(sideband=_SIDEBAND in head)
            length = _LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._heard) < size:
                return None
            del self._heard[:size]
            self._decide(head)
        return None

    def _become_session(self, *, sideband: bool) -> None:
        session = ModelEnd(self._sound, sideband=sideband)
        if self._transport is not None:
            self._transport.set_protocol(session.line)
            session.line.connection_made(self._transport)
            session.line.data_received(bytes(self._heard))
        self._opened(session)

    def _decide(self, head: bytes) -> None:
        asked = _DECISION.match(head)
        if asked is not None:
            self._decided[asked[1].decode(), asked[2].decode()] += 1
        if self._transport is not None:
            self._transport.write(_DONE)
