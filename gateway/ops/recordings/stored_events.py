"""Publishes which recordings were stored, or dropped since their call was forgotten."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.ops.recordings.joining import StoredRecording

log = structlog.get_logger()
OnStored = Callable[[StoredRecording], None]
OnDropped = Callable[[str], None]
"""Gets the name of a recording."""


class StoredEvents:
    """Passes each stored recording to all subscribers; one that raises is logged."""

    def __init__(self) -> None:
        self._on_stored: list[OnStored] = []
        self._on_dropped: list[OnDropped] = []

    def subscribe(self, on_stored: OnStored) -> None:
        """Have `on_stored` called with every recording that is stored, or stored again.

        A call whose parts came late is stored again, under the same name and with more in it.
        """
        self._on_stored.append(on_stored)

    def subscribe_to_drops(self, on_dropped: OnDropped) -> None:
        """Have `on_dropped` called with the name of every recording that is deleted."""
        self._on_dropped.append(on_dropped)

    def dropped(self, name: str) -> None:
        """Report that the recording of this name was deleted."""
        for on_dropped in self._on_dropped:
            on_dropped(name)

    def publish(self, info: StoredRecording) -> None:
        """Report that a recording was stored."""
        for on_stored in self._on_stored:
            try:
                on_stored(info)
            except Exception:
                log.exception("recording_subscriber_failed", call_sid=info.call_sid)
