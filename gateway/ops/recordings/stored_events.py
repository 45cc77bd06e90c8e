"""Publishes which recordings were stored; the record, the events and the metrics subscribe."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.ops.recordings.joining import StoredRecording

log = structlog.get_logger()
OnStored = Callable[[StoredRecording], None]


class StoredEvents:
    """Passes each stored recording to all subscribers; one that raises is logged."""

    def __init__(self) -> None:
        self._on_stored: list[OnStored] = []

    def subscribe(self, on_stored: OnStored) -> None:
        """Have `on_stored` called with every recording that is stored, or stored again.

        A call whose parts came late is stored again, under the same name and with more in it.
        """
        self._on_stored.append(on_stored)

    def publish(self, info: StoredRecording) -> None:
        for on_stored in self._on_stored:
            try:
                on_stored(info)
            except Exception:
                log.exception("recording_subscriber_failed", call_sid=info.call_sid)
