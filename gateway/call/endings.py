"""Every way a call can end. The one closed set: metric label, log field and API field."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """Each name says who or what ended the call."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    TRANSFERRED = "transferred"
    SECRET_INPUT = "secret_input"  # noqa: S105 - a name
    """The caller types a secret at the carrier, and comes back on another stream."""
    IDLE = "idle"
    MAX_LENGTH = "max_length"
    SPEND_LIMIT = "spend_limit"
    OPERATOR_HUNG_UP = "operator_hung_up"
    MACHINE_ANSWERED = "machine_answered"
    MESSAGE_LEFT = "message_left"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    CANCELED = "canceled"
    DIAL_FAILED = "dial_failed"
    NEVER_ARRIVED = "never_arrived"
    TURNED_AWAY = "turned_away"
    MEDIA_STALLED = "media_stalled"
    MEDIA_BROKEN = "media_broken"
    MEDIA_UNSUPPORTED = "media_unsupported"
    MODEL_REFUSED = "model_refused"
    MODEL_LOST = "model_lost"
    MODEL_SILENT = "model_silent"
    DRAINED = "drained"
    BUG = "bug"

    @property
    def well(self) -> bool:
        """Whether the conversation came to an end that somebody in it wanted."""
        return self in _WELL

    @property
    def ours(self) -> bool:
        """Whether we end the telephone call; after the others the carrier goes on with it."""
        return self in _OURS


_OURS = frozenset(
    {
        Ending.AGENT_HUNG_UP,
        Ending.IDLE,
        Ending.MAX_LENGTH,
        Ending.SPEND_LIMIT,
        Ending.OPERATOR_HUNG_UP,
        Ending.MACHINE_ANSWERED,
        Ending.MESSAGE_LEFT,
    }
)
_WELL = _OURS | {Ending.CALLER_HUNG_UP, Ending.TRANSFERRED, Ending.TURNED_AWAY}

UNTAKEN = frozenset({Ending.NO_ANSWER, Ending.BUSY, Ending.CANCELED, Ending.DIAL_FAILED})
"""Of calls that we placed and nobody took: there was no conversation to end."""
