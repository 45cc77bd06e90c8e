"""Bounds of what an MCP server answers, before the official package decodes it on the event loop.

It reads a line of a process until it ends, however long it is, and decodes every answer at once:
a megabyte of schemas takes 25 ms, in which no call goes on.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Final

from gateway import limits

LINES: Final = "gateway_mcp_lines"
"""Encoding of a process's output: UTF-8 whose lines have a bound."""


class AnswerSize:
    """Size of the answer that is being read: its bytes, and the parts that are to be decoded."""

    __slots__ = ("_bytes", "_parts")

    def __init__(self) -> None:
        self._bytes = self._parts = 0

    def add(self, data: bytes) -> bool:
        """Count a piece of the answer. False when it has become too large."""
        self._bytes += len(data)
        self._parts += data.count(b",") + data.count(b"{")
        return (
            self._bytes <= limits.mcp.RESPONSE_MAX_BYTES
            and self._parts <= limits.mcp.RESPONSE_PARTS_MAX
        )

    def restart(self) -> None:
        """Begin with the next answer of the same stream."""
        self._bytes = self._parts = 0


class MessagePace:
    """Pace of what a server sends; who is too fast waits, so that calls do not.

    Each message takes a tenth of a millisecond of every call's time, asked for or not.
    """

    __slots__ = ("_at", "_burst", "_left", "_on_flood", "_per_s", "_told")

    def __init__(
        self,
        on_flood: Callable[[], object],
        burst: int = limits.mcp.MESSAGES_BURST,
        per_s: float = limits.mcp.MESSAGES_PER_S,
    ) -> None:
        """`on_flood` is called once, when the server is too fast for the first time."""
        self._on_flood, self._told = on_flood, False
        self._burst, self._per_s = float(burst), per_s
        self._left, self._at = self._burst, monotonic()

    async def passed(self, count: int = 1) -> None:
        """Take note of messages, and wait until the next one may come."""
        if late_s := self.late_s(count):
            await asyncio.sleep(late_s)

    def late_s(self, count: int = 1) -> float:
        """Take note of messages; return by how much they came too early."""
        now = monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - count
        self._at = now
        if self._left >= 0:
            return 0.0
        if not self._told:
            self._told = True
            self._on_flood()
        return -self._left / self._per_s


class LineTooLong(UnicodeError):
    """A line of a server's output is longer, or has more parts, than is read."""


_on_too_long: ContextVar[Callable[[], object]] = ContextVar("on_too_long", default=lambda: None)


@asynccontextmanager
async def bounded_lines() -> AsyncIterator[None]:
    """Give up what is done inside as soon as a line is too long. Raises LineTooLong.

    The package alone would go on reading, and throw away what comes.
    """
    loop, too_long = asyncio.get_running_loop(), False

    def give_up() -> None:
        nonlocal too_long
        too_long = True
        deadline.reschedule(loop.time())

    try:
        async with asyncio.timeout(None) as deadline:
            _on_too_long.set(give_up)
            yield
    except Exception:  # the deadline, or a group of what its tasks raised
        if too_long:
            raise LineTooLong("the server's line is longer than can be read") from None
        raise


class _BoundedLines(codecs.IncrementalDecoder):
    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors)
        self._line = AnswerSize()

    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._add(line)
            self._line.restart()
        self._add(rest)
        return self._utf8.decode(data, final)

    def _add(self, piece: bytes) -> None:
        if not self._line.add(piece):
            _on_too_long.get()()
            raise LineTooLong("the server's line is longer than can be read")


_UTF8: Final = codecs.lookup("utf-8")
_CODEC: Final = codecs.CodecInfo(
    _UTF8.encode, _UTF8.decode, incrementaldecoder=_BoundedLines, name=LINES
)
codecs.register(lambda name: _CODEC if name == LINES else None)
