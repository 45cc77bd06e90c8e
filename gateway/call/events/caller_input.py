"""Input of the caller beside their speech: keys, secrets, messages, pictures."""

from __future__ import annotations

from gateway.call.events.call_event import CallEvent


class KeyPressed(CallEvent, frozen=True):
    """The caller pressed a key; which one is not published."""


class KeysEntered(CallEvent, frozen=True):
    """An entry that the caller typed went to the model."""

    why: str
    """Why it was complete: `end`, `pause` or `full`."""


class SecretInputStarted(CallEvent, frozen=True):
    """The caller leaves the conversation to type a secret: nothing is recorded from here on."""

    kind: str
    """`digits` or `payment`."""
    name: str


class SecretInputEnded(CallEvent, frozen=True):
    """The caller is back from typing, or could not leave."""

    kind: str
    name: str
    outcome: str
    """`done`, `refused`, `mistyped`, `timeout`, `cancelled`, `error`, or `failed`: the carrier did
    not take them. One who hung up does not come back."""


class MessageTaken(CallEvent, frozen=True):
    """The caller left a message; no log shows it."""

    text: str
    name: str
    callback: str


class PictureSent(CallEvent, frozen=True):
    """A picture of the caller's was shown to the model, or was not."""

    source: str
    """`message`, `page` or `camera`."""
    outcome: str
    """`shown`, `replaced` by a newer frame of the camera, or `too_late`."""
