"""The caller's sound on its way up: first words held, and the model's time line kept.

The model speaks of the caller's speech in milliseconds of audio *written to the session*
(`audio_start_ms`, `audio_end_ms`). To know when, by the clock, the caller stopped speaking, that
line is tied to the stream's own presentation time (`media.timestamp`), and that one to the clock
by the frame that took the shortest way.
"""

from __future__ import annotations

from collections import deque

from gateway.audio.g711 import MULAW_BYTES_PER_MS
from gateway.audio.transcode import CallerToModel
from gateway.limits import (
    FRAME_PAYLOAD_MAX_BYTES,
    HELD_AUDIO_MAX_MS,
    KEPT_AUDIO_MS,
    KEPT_TURN_MAX_MS,
    TIMESTAMP_LEAP_S,
    TIMESTAMP_MAX_DIGITS,
)
from gateway.protocols.media_stream import MediaBody

_DRIFT_S_PER_FRAME = 2e-6
"""The shortest way may grow again: 100 us a second is more than two quartz clocks part."""


class Uplink:
    def __init__(self, to_model: CallerToModel) -> None:
        self._to_model = to_model
        self._held: deque[bytes] | None = deque()
        self._held_ms = 0.0
        self._kept: deque[bytes] = deque()
        self._kept_ms = 0.0
        self._keep_ms = KEPT_AUDIO_MS
        self._written_ms = 0.0
        self._offset_ms = 0.0
        self._stream_end_ms = 0.0
        self._stream_began_at: float | None = None
        self.frames = 0
        self.bytes = 0
        self.gap_ms = 0.0
        """Presentation time that no frame covered, so far."""

    @property
    def saturated(self) -> int:
        return self._to_model.saturated

    @property
    def position_s(self) -> float:
        """Where the caller's stream stands, by its own time."""
        return self._stream_end_ms / 1000

    def hear(self, body: MediaBody, now: float) -> bytes | None:
        """One frame from the caller -> audio for the model; None while it is held.

        Raises ValueError, naming the fault, for a frame that cannot be Twilio's.
        """
        mulaw = body.payload
        if not mulaw:
            raise ValueError("empty_frame")
        if len(mulaw) > FRAME_PAYLOAD_MAX_BYTES:
            raise ValueError("oversized_frame")
        if not body.timestamp.isdecimal() or len(body.timestamp) > TIMESTAMP_MAX_DIGITS:
            raise ValueError("timestamp")
        length_ms = len(mulaw) / MULAW_BYTES_PER_MS
        self._place(int(body.timestamp), length_ms, now)
        self.frames += 1
        self.bytes += len(mulaw)
        if self._held is not None:
            self._held.append(mulaw)
            self._held_ms += length_ms
            return None
        self._written_ms += length_ms
        self._offset_ms = self._stream_end_ms - self._written_ms
        self._keep(mulaw, length_ms)
        return self._to_model.convert(mulaw)

    def _keep(self, mulaw: bytes, length_ms: float) -> None:
        self._kept.append(mulaw)
        self._kept_ms += length_ms
        while self._kept_ms > self._keep_ms:
            self._kept_ms -= len(self._kept.popleft()) / MULAW_BYTES_PER_MS

    def keep_turn(self, whole: bool) -> None:
        """Whether all of the caller's turn is kept, or only his last sound."""
        self._keep_ms = KEPT_TURN_MAX_MS if whole else KEPT_AUDIO_MS

    def kept_since(self, since_ms: float) -> bytes:
        """What stands behind that moment of the session and is still here, as it came."""
        kept, at_ms = b"".join(self._kept), self._written_ms - self._kept_ms
        skip = max(0, round((since_ms - at_ms) * MULAW_BYTES_PER_MS))
        return kept[skip:] + b"".join(self._held or ())

    def before(self, mulaw: bytes) -> bytes | None:
        """What he said before this stream began; None while all is held."""
        length_ms = len(mulaw) / MULAW_BYTES_PER_MS
        if self._held is not None:
            self._held.appendleft(mulaw)
            self._held_ms += length_ms
            return None
        self._written_ms += length_ms
        self._keep(mulaw, length_ms)
        return self._to_model.convert(mulaw)

    def hold(self, since_ms: float) -> None:
        """The session is gone: what the caller says is held for the next one.

        What stands behind `since_ms` of the old one is said again, as far as it was kept.
        """
        if self._held is not None:
            return
        while self._kept and self._written_ms - self._kept_ms < since_ms:
            self._kept_ms -= len(self._kept.popleft()) / MULAW_BYTES_PER_MS
        self._held, self._held_ms = self._kept, self._kept_ms
        self._kept, self._kept_ms = deque(), 0.0
        self._written_ms = 0.0

    def _place(self, timestamp_ms: int, length_ms: float, now: float) -> None:
        gap = timestamp_ms - self._stream_end_ms
        if 1 < gap < TIMESTAMP_LEAP_S * 1000 and self._stream_began_at is not None:
            self.gap_ms += gap
        self._stream_end_ms = timestamp_ms + length_ms
        began = now - self._stream_end_ms / 1000
        known = self._stream_began_at
        if known is None or began < known or began > known + TIMESTAMP_LEAP_S:
            self._stream_began_at = began
        else:
            self._stream_began_at = known + _DRIFT_S_PER_FRAME

    def forget_excess(self) -> int:
        """Drops the oldest held sound beyond the bound; how many milliseconds went."""
        dropped = 0.0
        while self._held and self._held_ms > HELD_AUDIO_MAX_MS:
            ms = len(self._held.popleft()) / MULAW_BYTES_PER_MS
            self._held_ms -= ms
            dropped += ms
        return round(dropped)

    def release(self) -> bytes:
        """The model can hear now: all that was held, converted; from here nothing is held."""
        held, frames = b"".join(self._held or ()), self._held or ()
        self._held = None
        self._written_ms += self._held_ms
        for mulaw in frames:
            self._keep(mulaw, len(mulaw) / MULAW_BYTES_PER_MS)
        self._held_ms = 0.0
        self._offset_ms = self._stream_end_ms - self._written_ms
        return self._to_model.convert(held) if held else b""

    def spoken_at(self, audio_ms: float) -> float | None:
        """When, by our clock, the caller spoke what stands at `audio_ms` of the session."""
        if self._stream_began_at is None:
            return None
        return self._stream_began_at + (audio_ms + self._offset_ms) / 1000
