"""The small machines of a call as tables; an illegal step raises and changes nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.errors import BugError


class Life(StrEnum):
    EXPECTED = "expected"
    """The webhook is answered; the caller's stream has not started."""
    TALKING = "talking"
    GOODBYE = "goodbye"
    """Ends as soon as the last word is heard."""
    LEAVING = "leaving"
    """Handed to somebody else; nothing is heard of it until it has worked, or has not."""
    CLOSED = "closed"


class Link(StrEnum):
    """The connection to the model."""

    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    """`session.update` is sent; no sound goes up before its echo."""
    READY = "ready"
    LOST = "lost"


_LIFE: Final = {
    Life.EXPECTED: frozenset({Life.TALKING, Life.CLOSED}),
    # Straight to LEAVING: the process stops, and another one goes on with the call.
    Life.TALKING: frozenset({Life.GOODBYE, Life.LEAVING, Life.CLOSED}),
    Life.GOODBYE: frozenset({Life.TALKING, Life.LEAVING, Life.CLOSED}),
    Life.LEAVING: frozenset({Life.TALKING, Life.CLOSED}),
    Life.CLOSED: frozenset[Life](),
}

_LINK: Final = {
    # On the SIP path the session was configured when the call was accepted.
    Link.CONNECTING: frozenset({Link.CONFIGURING, Link.READY, Link.LOST}),
    Link.CONFIGURING: frozenset({Link.READY, Link.LOST}),
    Link.READY: frozenset({Link.LOST}),
    Link.LOST: frozenset({Link.CONNECTING}),
}


def step_life(now: Life, to: Life) -> Life:
    if to not in _LIFE[now]:
        raise BugError(f"life cannot go from {now} to {to}")
    return to


def step_link(now: Link, to: Link) -> Link:
    if to not in _LINK[now]:
        raise BugError(f"link cannot go from {now} to {to}")
    return to
