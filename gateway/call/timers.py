"""Named deadlines of a call, on the clock that is passed in."""

from __future__ import annotations

from enum import StrEnum


class Timer(StrEnum):
    """Everything that a call waits for; the part that handles a timer is in its `timers`."""

    # An enum's own is a function in Python: too dear for what is looked up at every event.
    __hash__ = str.__hash__

    ARRIVAL = "arrival"
    """The caller's stream must have started."""
    READY = "ready"
    """The model must have confirmed the session."""
    MEDIA = "media"
    """Look whether frames still come."""
    CONFIRM = "confirm"
    """Speech has lasted long enough to be an interruption."""
    SPEECH = "speech"
    """The caller's speech must have ended, or some of its words must be known."""
    PLAYBACK = "playback"
    """A response that the server plays must have been heard, though it did not report it."""
    RESPONSE = "response"
    """A response must have begun."""
    RETRY = "retry"
    """A response that failed may be asked for again."""
    NUDGE = "nudge"
    IDLE = "idle"
    WARN = "warn"
    LENGTH = "length"
    TRANSFER = "transfer"
    """A transfer must have worked: no event says when it did not."""
    SERVER = "server"
    """No event came from the model's server within the limit: the connection may be dead."""
    ROLL = "roll"
    """The session's hour is nearly up: open the next one."""
    ROLL_NOW = "roll_now"
    """No moment was quiet: change over anyway."""
    HAND_OVER = "hand_over"
    """The same for a hand-over to another process."""
    AGENT_CHANGE = "agent_change"
    """The next agent must lead by now, or its session is to be opened once more."""
    SCREENING = "screening"
    """The person is still waited for whose telephone asked who is calling."""
    KEYS = "keys"
    """No further key: the entry is complete."""
    TONES = "tones"
    """Keys that we send must have been heard."""
    FILLER = "filler"
    """A function has been out for so long that the caller should hear something."""
    PICTURE = "picture"
    """The next of several pictures may follow."""
    SPEND = "spend"
    """Try again to tell the model that the spend limit is near."""
    HOSTED = "hosted"
    """Something about a hosted MCP server is due: see `hosted_mcp.py`."""
    APPROVAL = "approval"
    """A request for approval is overdue, or its wait is to be filled: see `approvals.py`."""
    CONSENT = "consent"
    """The caller must have heard that the call is recorded, or is told again."""
    GOODBYE = "goodbye"
    """The goodbye must have made progress."""


class Timers:
    """The deadlines that are set, at most one for each name."""

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}
        self._next: float | None = None
        self._next_known = True
        """Whether `_next` is the earliest of all; looked for only when it was changed."""

    def set(self, timer: Timer, at: float) -> None:
        if self._at.get(timer) == self._next:
            self._next_known = False
        elif self._next is None or at < self._next:
            self._next = at
        self._at[timer] = at

    def clear(self, *timers: Timer) -> None:
        for timer in timers:
            if self._at.pop(timer, None) == self._next:
                self._next_known = False

    def clear_all(self) -> None:
        self._at.clear()
        self._next, self._next_known = None, True

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._at

    def next(self) -> float | None:
        if not self._next_known:
            self._next, self._next_known = min(self._at.values(), default=None), True
        return self._next

    def pop_due(self, now: float) -> Timer | None:
        """Return the earliest timer that is due; one at a time, since each may clear others."""
        due_at = self.next()
        if due_at is None or due_at > now:
            return None
        timer = next(timer for timer, at in self._at.items() if at == due_at)
        self.clear(timer)
        return timer
