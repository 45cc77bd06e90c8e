"""Dispatch of call events: metrics, logs, records and guards subscribe, the call publishes."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call import events

log = structlog.get_logger()
OnEvent = Callable[[RunningCall, events.CallEvent], None]
OnAnnounced = Callable[[LiveCall], None]


class CallEvents:
    """Passes each event to all subscribers, in the order in which they subscribed.

    A subscriber that raises is logged, and takes nothing from the others or from the call.
    """

    def __init__(self, privacy: PrivacyFilter) -> None:
        self._privacy = privacy
        self._on_event: list[OnEvent] = []
        self._on_announced: list[OnAnnounced] = []

    def subscribe(self, on_event: OnEvent) -> None:
        """Have `on_event` called with every event of every call."""
        self._on_event.append(on_event)

    def subscribe_to_announcements(self, on_announced: OnAnnounced) -> None:
        """Have `on_announced` called with every call before its first event."""
        self._on_announced.append(on_announced)

    def publish(self, call: RunningCall, event: events.CallEvent) -> None:
        """Pass on an event, as it may be seen by everybody but the model."""
        try:
            event = self._privacy.event(call, event)
        except Exception:  # words that could not be looked at go nowhere
            return _log_failure(call, type(event).__name__)
        for on_event in self._on_event:
            try:
                on_event(call, event)
            except Exception:
                _log_failure(call, type(event).__name__)
        return None

    def announce(self, call: LiveCall) -> None:
        for on_announced in self._on_announced:
            try:
                on_announced(call)
            except Exception:
                _log_failure(call, "announced")


def _log_failure(call: RunningCall, event: str) -> None:
    log.exception(
        "event_subscriber_failed",
        call_sid=call.facts.call_sid,
        call_id=call.facts.call_id,
        call_event=event,
    )
