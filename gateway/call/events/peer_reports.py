"""Reports of the far ends: usage, rate limits and errors, and faults in their messages."""

from __future__ import annotations

from gateway.call.events.call_event import CallEvent
from gateway.protocols.realtime_server import RateLimit, TranscriptionUsage, Usage


class UsageCounted(CallEvent, frozen=True):
    """Tokens of one response."""

    model: str
    usage: Usage


class TranscriptionCounted(CallEvent, frozen=True):
    """Usage that the transcription of the caller's words is billed by."""

    model: str
    usage: TranscriptionUsage


class RateLimitsSeen(CallEvent, frozen=True):
    """The model's server told its rate limits."""

    limits: tuple[RateLimit, ...]


class ModelErrorReported(CallEvent, frozen=True):
    """The model's server reported an error."""

    fault: str
    """`benign`, `recoverable`, `fatal` or `unknown`."""
    code: str
    words: str = ""
    """The vendor's own: its code, the parameter and the message, bounded. They may quote people."""
    refused: bool = False
    """Whether the session was refused, not one request in it."""

    def __repr__(self) -> str:
        """Leave the words out."""
        shown = f"fault={self.fault!r}, code={self.code!r}, refused={self.refused!r}"
        return f"ModelErrorReported({shown})"


class PeerFaultCounted(CallEvent, frozen=True):
    """The other end broke its protocol; the call went on."""

    peer: str
    """`caller` or `model`."""
    kind: str
    fields: tuple[str, ...] = ()
    """Names of the fields that were left out, while the rest was used."""
