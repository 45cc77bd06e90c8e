"""Base of the parts of a call: handlers, timers, and hooks that the machine calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from gateway.call.endings import Ending
from gateway.call.timers import Timer

Handler = Callable[[Any], None]


class CallPart:
    """One concern of a call: owns its state, which no other part writes."""

    handlers: Mapping[type, Handler] = {}
    """Event type -> method. A part with state sets its own in its constructor."""
    timers: Mapping[Timer, Callable[[], None]] = {}
    """Timer -> what to do when it is due."""

    def settle(self) -> None:
        """After every event: do what has become due, in the order of the machine's tuple."""

    def session_ready(self) -> None:
        """A new session of the model's is confirmed and knows what was said."""

    def session_lost(self) -> None:
        """The session is gone, with all that the server was doing in it."""

    def session_changes(self) -> None:
        """The next session is about to take over from the one in use."""

    def session_unseen(self) -> None:
        """The connection is lost; the session goes on, and nobody sees what happens in it."""

    def session_given_up(self, ending: Ending, reason: str) -> None:
        """No further connection to the session is tried; `ending` names what that means."""

    def agent_changed(self) -> None:
        """Another agent leads the conversation; what depends on the agent is read anew."""

    def caller_spoke(self) -> None:
        """The caller spoke, pressed a key or sent something."""

    def call_ends(self) -> None:
        """The call is about to end: clean up what is still running."""

    def release(self) -> None:
        """The call is over: let go of the methods that a part names in its own tables."""
        self.handlers, self.timers = {}, {}


_P = TypeVar("_P", bound=CallPart)


def overriding(parts: Iterable[_P], hook: str) -> list[_P]:
    """Return the parts that do something when `hook` is called."""
    return [part for part in parts if getattr(type(part), hook) is not getattr(CallPart, hook)]


def merged(parts: Sequence[CallPart]) -> dict[type, Handler]:
    """Return one handler for each event type: where two parts have one, both run, in order."""
    found: dict[type, list[Handler]] = {}
    for part in parts:
        for kind, handler in part.handlers.items():
            found.setdefault(kind, []).append(handler)
    # A single handler stands there itself: one lookup and one call for each message with sound.
    return {kind: each[0] if len(each) == 1 else in_turn(each) for kind, each in found.items()}


def in_turn(handlers: Sequence[Handler]) -> Handler:
    def handle(event: object) -> None:
        for handler in handlers:
            handler(event)

    return handle
