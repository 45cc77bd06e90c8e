"""Base of all events of the model's server."""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, tag_field="type", kw_only=True):
    """Every server event may carry an id (the DTMF one has none)."""

    event_id: str | None = None
