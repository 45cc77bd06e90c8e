"""What a session sends: events with ids, errors, the close; and its clock and timers."""

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


class JournalNote(Protocol):
    """Where the journal is kept."""

    def __call__(self, kind: str, **facts: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Close:
    """The server closes the connection; 1006 drops it without a closing handshake."""

    code: int
    reason: str = ""


class SimTimer:
    """Something to be done later, unless it is cancelled."""

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
    """Seconds on a clock that is handed in."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SimTimer]] = []
        self._order = count()

    def at(self, when_s: float, action: Callable[[], None]) -> SimTimer:
        timer = SimTimer(action)
        heapq.heappush(self._heap, (when_s, next(self._order), timer))
        return timer

    def due(self) -> float | None:
        """When the next one wants to be run."""
        while self._heap and not self._heap[0][2].live:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now_s: float) -> tuple[float, SimTimer] | None:
        """The next one whose time has come, with the time it was meant for."""
        due = self.due()
        if due is None or due > now_s:
            return None
        when_s, _, timer = heapq.heappop(self._heap)
        return when_s, timer


class Outbox:
    """Sans-I/O: messages gather here until the owner of the socket takes them."""

    def __init__(self, note: JournalNote, seed: int) -> None:
        self.note = note
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
        """One server event; bytes become base64."""
        if not self.closing:
            event_id = f"event_{self._tail}{next(self._events):06d}"
            self._out.append(_encode({"type": kind, "event_id": event_id, **fields}))

    def error(
        self, kind: str, code: str, message: str, param: str | None = None, cause: Any = None
    ) -> None:
        """`cause` is the `event_id` of the client's event, where it had one."""
        body = {"type": kind, "code": code, "message": message, "param": param, "event_id": cause}
        self.emit("error", error=body)

    def refuse(self, refusal: InvalidValue, event: dict[str, Any]) -> None:
        """The client broke the protocol: told to it, and to the journal."""
        cause = event.get("event_id")
        cause = cause if isinstance(cause, str) else None
        self.error(refusal.kind, refusal.code, refusal.message, refusal.param, cause)
        self.note(
            "violation",
            code=refusal.code,
            message=refusal.message,
            param=refusal.param,
            event=event.get("type"),
        )

    def close(self, code: int, reason: str = "") -> None:
        """The last thing that is sent."""
        if not self.closing:
            self.closing = True
            self._out.append(Close(code, reason))

    def stall(self, ms: int) -> None:
        """Nothing goes out for this long, and then all of it."""
        self._silent_until_s = max(self._silent_until_s, self.now_s + ms / 1000)
        self.at(ms / 1000, lambda: None)

    def at(self, delay_s: float, action: Callable[[], None]) -> SimTimer:
        return self.timers.at(self.now_s + delay_s, action)

    def advance(self, now_s: float) -> None:
        """Runs every timer up to now, each at the time that it was meant for."""
        while ready := self.timers.pop(now_s):
            self.now_s = max(self.now_s, ready[0])
            ready[1].fire()
        self.now_s = max(self.now_s, now_s)

    def due(self) -> float | None:
        return None if self.closing else self.timers.due()

    def take(self) -> list[bytes | Close]:
        """What is to be sent now, in order."""
        if self.now_s < self._silent_until_s:
            return []
        out, self._out = self._out, []
        return out
