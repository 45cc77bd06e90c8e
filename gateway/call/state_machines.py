"""State machines of a call as tables; an illegal step raises and changes nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.errors import BugError


class CallPhase(StrEnum):
    """Phases of a call."""

    EXPECTED = "expected"
    """The webhook is answered; the caller's stream has not started."""
    TALKING = "talking"
    GOODBYE = "goodbye"
    """The call ends as soon as the last word is heard."""
    TRANSFERRING = "transferring"
    """A transfer to a person or hand-over to another process is under way; it will work, or not."""
    CLOSED = "closed"


class LinkState(StrEnum):
    """The connection to the model."""

    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    """`session.update` is sent; no sound goes up before its echo."""
    READY = "ready"
    LOST = "lost"


_LIFE: Final = {
    CallPhase.EXPECTED: frozenset({CallPhase.TALKING, CallPhase.CLOSED}),
    # Straight to TRANSFERRING: the process stops, and another one goes on with the call.
    CallPhase.TALKING: frozenset({CallPhase.GOODBYE, CallPhase.TRANSFERRING, CallPhase.CLOSED}),
    CallPhase.GOODBYE: frozenset({CallPhase.TALKING, CallPhase.TRANSFERRING, CallPhase.CLOSED}),
    CallPhase.TRANSFERRING: frozenset({CallPhase.TALKING, CallPhase.CLOSED}),
    CallPhase.CLOSED: frozenset[CallPhase](),
}

_LINK: Final = {
    # On the SIP path the session was configured when the call was accepted.
    LinkState.CONNECTING: frozenset({LinkState.CONFIGURING, LinkState.READY, LinkState.LOST}),
    LinkState.CONFIGURING: frozenset({LinkState.READY, LinkState.LOST}),
    LinkState.READY: frozenset({LinkState.LOST}),
    LinkState.LOST: frozenset({LinkState.CONNECTING}),
}


def step_phase(now: CallPhase, to: CallPhase) -> CallPhase:
    if to not in _LIFE[now]:
        raise BugError(f"life cannot go from {now} to {to}")
    return to


def step_link(now: LinkState, to: LinkState) -> LinkState:
    if to not in _LINK[now]:
        raise BugError(f"link cannot go from {now} to {to}")
    return to
