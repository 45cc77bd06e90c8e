"""One telephone line: its clock, the sound in both directions, its moments and warnings."""

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
    """Entry of Twilio's debugger: an error code, and the time in the call."""

    code: int
    text: str
    at_ms: float

    @property
    def counts(self) -> bool:
        return self.code not in EXPECTED_CODES


@dataclass(frozen=True, slots=True)
class Moment:
    """Event on the line, for the record of the call."""

    at_ms: float
    kind: str
    detail: str = ""


@dataclass
class TelephoneLine:
    """State of a line that the carrier and the person on the telephone share."""

    clock: Callable[[], float]
    """Monotonic seconds."""
    opened_s: float = 0.0
    spoken: Track = field(default_factory=Track)
    playback: Playback = field(default_factory=Playback)
    warnings: list[LineFault] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    unheard_ms: float = 0.0
    """Sound still buffered when the far end or the call stopped: nobody heard it."""
    closed_at: int | None = None
    on_moment: Callable[[Moment], None] = lambda _: None
    on_warning: Callable[[int, str], None] = lambda _code, _text: None

    def answer(self) -> None:
        """Start the clock of the line, once."""
        if not self.answered.is_set():
            self.opened_s = self.clock()
            self.answered.set()

    def close(self) -> None:
        """End the line: sound that was not spoken or played yet is lost."""
        self.closed_at = self.now
        if self.playback.buffered(self.now):
            self.stop_playback()
        self.spoken.cut(self.now)
        self.streaming.clear()
        self.over.set()

    def stop_playback(self) -> None:
        """Discard the buffered sound because its source is gone."""
        self.unheard_ms = milliseconds(self.playback.buffered(self.now))
        self.playback.clear(self.now)

    @property
    def now(self) -> int:
        """Samples since the call was answered; constant once it is over."""
        if self.closed_at is not None:
            return self.closed_at
        return round((self.clock() - self.opened_s) * CALLER_HZ) if self.answered.is_set() else 0

    @property
    def now_ms(self) -> float:
        return milliseconds(self.now)

    def at_s(self, position: int) -> float:
        """Return the clock's time of a position on this line."""
        return self.opened_s + position / CALLER_HZ

    def log(self, kind: str, detail: str = "") -> None:
        """Add a moment to the record of the call."""
        moment = Moment(self.now_ms, kind, detail)
        self.moments.append(moment)
        self.on_moment(moment)

    def warn(self, code: int, text: str) -> None:
        """Add a warning of Twilio's debugger."""
        self.warnings.append(LineFault(code, text, self.now_ms))
        self.log("warning", f"{code} {text}")
        self.on_warning(code, text)
