"""Outbox of a session: events with ids, errors, the close; and its clock and timers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final, Protocol

import msgspec

from gateway.simulator.openai.realtime.validation import InvalidValue

_ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_encode = msgspec.json.Encoder().encode


class JournalWriter(Protocol):
    """Writes entries to the journal."""

    def __call__(self, kind: str, **facts: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Close:
    """The server closes the connection; 1006 drops it without a closing handshake."""

    code: int
    reason: str = ""


class SimTimer:
    """Action that runs later unless it is cancelled."""

    __slots__ = ("_action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self._action = None

    @property
    def live(self) -> bool:
        return self._action is not None

    def fire(self) -> None:
        action, self._action = self._action, None
        if action:
            action()


class SimTimers:
    """Timers on a clock whose readings are passed in."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SimTimer]] = []
        self._order = count()

    def at(self, when_s: float, action: Callable[[], None]) -> SimTimer:
        timer = SimTimer(action)
        heapq.heappush(self._heap, (when_s, next(self._order), timer))
        return timer

    def due(self) -> float | None:
        """Return when the next timer is due."""
        while self._heap and not self._heap[0][2].live:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now_s: float) -> tuple[float, SimTimer] | None:
        """Remove and return the next timer that is due, with its time."""
        due = self.due()
        if due is None or due > now_s:
            return None
        when_s, _, timer = heapq.heappop(self._heap)
        return when_s, timer


class Outbox:
    """Sans-I/O outbox: messages wait for the owner of the socket."""

    def __init__(self, log: JournalWriter, seed: int) -> None:
        self.log = log
        self.now_s = 0.0
        self.closing = False
        self.timers = SimTimers()
        self._chance = Random(seed)
        self._events = count(1)
        self._tail = self._random(6)
        self._out: list[bytes | Close] = []
        self._silent_until_s = 0.0

    def _random(self, size: int) -> str:
        return "".join(self._chance.choices(_ID_ALPHABET, k=size))

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._random(21)}"

    def emit(self, kind: str, **fields: Any) -> None:
        """Add a server event; bytes become base64."""
        if not self.closing:
            event_id = f"event_{self._tail}{next(self._events):06d}"
            self._out.append(_encode({"type": kind, "event_id": event_id, **fields}))

    def error(
        self, kind: str, code: str, message: str, param: str | None = None, cause: Any = None
    ) -> None:
        """Add an `error` event; `cause` is the `event_id` of the client's event."""
        body = {"type": kind, "code": code, "message": message, "param": param, "event_id": cause}
        self.emit("error", error=body)

    def refuse(self, refusal: InvalidValue, event: dict[str, Any]) -> None:
        """Report a protocol violation to the client and the journal; one that crossed is none."""
        cause = event.get("event_id")
        cause = cause if isinstance(cause, str) else None
        self.error(refusal.kind, refusal.code, refusal.message, refusal.param, cause)
        self.log(
            "crossed" if refusal.crossed else "violation",
            code=refusal.code,
            message=refusal.message,
            param=refusal.param,
            event=event.get("type"),
        )

    def close(self, code: int, reason: str = "") -> None:
        """Add the close of the connection, after which nothing is sent."""
        if not self.closing:
            self.closing = True
            self._out.append(Close(code, reason))

    def stall(self, ms: int) -> None:
        """Send nothing for this long, and then everything."""
        self._silent_until_s = max(self._silent_until_s, self.now_s + ms / 1000)
        self.at(ms / 1000, lambda: None)

    def at(self, delay_s: float, action: Callable[[], None]) -> SimTimer:
        return self.timers.at(self.now_s + delay_s, action)

    def advance(self, now_s: float) -> None:
        """Run every timer up to now, each at its own time."""
        while ready := self.timers.pop(now_s):
            self.now_s = max(self.now_s, ready[0])
            ready[1].fire()
        self.now_s = max(self.now_s, now_s)

    def due(self) -> float | None:
        return None if self.closing else self.timers.due()

    def take_messages(self) -> list[bytes | Close]:
        """Remove and return the messages to send now, in order."""
        if self.now_s < self._silent_until_s:
            return []
        out, self._out = self._out, []
        return out
