"""Running calls of this process, by the names that webhooks, sockets and operators know them by."""

from __future__ import annotations

from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.running_call import RunningCall


class CallTable:
    """Calls that are expected or running. Adding and removing is the registry's business."""

    def __init__(self) -> None:
        self._media: dict[str, LiveCall] = {}
        """By CallSid."""
        self._sip: dict[str, LiveCall] = {}
        """By OpenAI's call_id; an outbound call by its CallSid."""

    @property
    def calls(self) -> list[LiveCall]:
        """Running calls, those that are still expected included."""
        return [*self._media.values(), *self._sip.values()]

    @property
    def sip_calls(self) -> list[LiveCall]:
        return list(self._sip.values())

    @property
    def media_count(self) -> int:
        return len(self._media)

    @property
    def sip_count(self) -> int:
        return len(self._sip)

    def add_media(self, call: LiveCall) -> None:
        self._media[call.facts.key] = call

    def add_sip(self, call: LiveCall) -> None:
        self._sip[call.facts.key] = call

    def remove(self, call: RunningCall) -> None:
        """Remove a call that is over, unless another one has its key by now."""
        calls = self._sip if call.facts.call_id else self._media
        if calls.get(call.facts.key) is call:
            del calls[call.facts.key]

    def call(self, key: str) -> LiveCall | None:
        """Return the call that operators know by this key."""
        found = self._media.get(key) or self._sip.get(key)
        return found or next((c for c in self._sip.values() if c.facts.call_id == key), None)

    def media_call(self, call_sid: str) -> LiveCall | None:
        return self._media.get(call_sid)

    def calls_of(self, call_sid: str) -> list[LiveCall]:
        """Return the calls of one telephone call: on a stream, or on the model's leg."""
        return [call for call in self.calls if call.facts.call_sid == call_sid]

    def sip_calls_of(self, call_sid: str) -> list[LiveCall]:
        """Return the model's legs that were dialled for a telephone call."""
        return [call for call in self._sip.values() if call.facts.call_sid == call_sid]
