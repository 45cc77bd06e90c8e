"""Base of every call event."""

from __future__ import annotations

from msgspec import Struct


class CallEvent(Struct, frozen=True, gc=False):
    """Fact about a call, in the past tense; subscribers ask for its type."""
