"""One telephone line: its clock, the caller's mouth and ear, and what went wrong on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.audio.g711 import CALLER_HZ
from gateway.simulator.audio.analysis import milliseconds
from gateway.simulator.twilio.playback import Playback, Track

EXPECTED_CODES: Final = frozenset({31921})
"""Twilio raises 31921 for every stream that the gateway closes on purpose: not a fault."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """What Twilio's debugger would show: an error code, and where the call stood."""

    code: int
    text: str
    at_ms: float

    @property
    def counts(self) -> bool:
        return self.code not in EXPECTED_CODES


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened on the line, for the record of the call."""

    at_ms: float
    kind: str
    detail: str = ""


@dataclass
class CallerEnd:
    """The state shared by Twilio's machinery and the person on the telephone."""

    clock: Callable[[], float]
    """Seconds, monotonic."""
    opened_s: float = 0.0
    mouth: Track = field(default_factory=Track)
    ear: Playback = field(default_factory=Playback)
    warnings: list[LineFault] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    unheard_ms: float = 0.0
    """Sound that was waiting when the far side, or the call, stopped: nobody heard it."""
    closed_at: int | None = None

    def answer(self) -> None:
        if not self.answered.is_set():
            self.opened_s = self.clock()
            self.answered.set()

    def close(self) -> None:
        self.closed_at = self.now
        if self.ear.buffered(self.now):
            self.hush()
        self.mouth.cut(self.now)
        self.streaming.clear()
        self.over.set()

    def hush(self) -> None:
        """The receiver falls silent because whoever fed it is gone."""
        self.unheard_ms = milliseconds(self.ear.buffered(self.now))
        self.ear.clear(self.now)

    @property
    def now(self) -> int:
        """Samples since the call was answered; stands still when it is over."""
        if self.closed_at is not None:
            return self.closed_at
        return round((self.clock() - self.opened_s) * CALLER_HZ) if self.answered.is_set() else 0

    @property
    def now_ms(self) -> float:
        return milliseconds(self.now)

    def at_s(self, position: int) -> float:
        """The clock's time of a position on this line."""
        return self.opened_s + position / CALLER_HZ

    def note(self, kind: str, detail: str = "") -> None:
        self.moments.append(Moment(self.now_ms, kind, detail))

    def warn(self, code: int, text: str) -> None:
        self.warnings.append(LineFault(code, text, self.now_ms))
        self.note("warning", f"{code} {text}")
