"""The hold tone: bypasses the playback ledger and carries no marks.

Nobody truncates or measures it. It begins only when the last mark of the model's is back, so that
the `clear` that ends it takes nothing else away.
"""

from __future__ import annotations

from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.limits.tools import HOLD_GROUP_MS, HOLD_LEAD_MS
from gateway.protocols.media_stream import ToTwilio

_GROUP_S, _LEAD_S = HOLD_GROUP_MS / 1000, HOLD_LEAD_MS / 1000
_FLOAT_ERROR_S = 1e-6


class HoldTone:
    """A soft pattern that is played, with a short lead, while the caller waits."""

    def __init__(self, wire: WireFormat = MULAW_8K) -> None:
        self._pattern = wire.hold_tone()
        self._group_bytes = HOLD_GROUP_MS * wire.bytes_per_ms
        self._twilio: ToTwilio | None = None
        self._at = 0
        """Position in the pattern, in bytes."""
        self._lasts_until = 0.0
        self.playing = False

    def open(self, twilio: ToTwilio) -> None:
        self._twilio = twilio

    def start(self) -> None:
        """Start at the beginning of the pattern, where it is silent."""
        self.playing, self._at, self._lasts_until = True, 0, 0.0

    def pump(self, now: float) -> list[bytes]:
        """Return what may go out now: a short lead over the clock, and no more."""
        if self._twilio is None or not self.playing:
            return []
        self._lasts_until = max(self._lasts_until, now)
        messages = []
        while self._lasts_until + _GROUP_S <= now + _LEAD_S + _FLOAT_ERROR_S:
            messages.append(self._twilio.media(self._next_group()))
            self._lasts_until += _GROUP_S
        return messages

    def _next_group(self) -> bytes:
        group = self._pattern[self._at : self._at + self._group_bytes]
        self._at = (self._at + self._group_bytes) % len(self._pattern)
        return group

    def due(self) -> float | None:
        """Return when to pump again."""
        return self._lasts_until - _LEAD_S + _GROUP_S if self.playing else None

    def stop(self, now: float) -> list[bytes]:
        """Stop at once; return the `clear` that takes away what was sent ahead."""
        self.playing = False
        if self._twilio is None or self._lasts_until <= now:
            return []
        return [self._twilio.clear()]
