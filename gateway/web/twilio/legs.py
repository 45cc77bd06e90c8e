"""Legs of a call, by the name that stands in the address Twilio requests when one has ended."""

from __future__ import annotations

from typing import Final

from gateway.protocols.twilio_webhooks import RETRIED

STREAM: Final = "stream"
DRAIN: Final = "drain"
"""A stream that was released by a process which stops."""
SIP: Final = "sip"
TRANSFER: Final = "transfer"
WARM: Final = "warm"
HUMAN: Final = "human"
VOICEMAIL: Final = "voicemail"


def after_url(public_url: str, leg: str) -> str:
    """Return the address that Twilio requests when this leg has ended."""
    return f"{public_url}/twilio/after?leg={leg}{RETRIED}"
