"""The caller's sound on its way up: first words held, and the model's time line kept.

The model speaks of the caller's speech in milliseconds of audio *written to the session*
(`audio_start_ms`, `audio_end_ms`). To know when, by the clock, the caller stopped speaking, that
line is tied to the stream's own presentation time (`media.timestamp`), and that one to the clock
by the frame that took the shortest way.
"""

from __future__ import annotations

from gateway.audio.g711 import MULAW_BYTES_PER_MS
from gateway.audio.transcode import CallerToModel
from gateway.errors import BugError
from gateway.limits.call import (
    BUFFERED_AUDIO_MAX_MS,
    FRAME_PAYLOAD_MAX_BYTES,
    RETAINED_AUDIO_MS,
    RETAINED_TURN_MAX_MS,
    TIMESTAMP_LEAP_S,
    TIMESTAMP_MAX_DIGITS,
)
from gateway.protocols.media_stream import MediaBody

_DRIFT_S_PER_FRAME = 2e-6
"""The shortest way may grow again: 100 us a second is more than two quartz clocks part."""


class Uplink:
    def __init__(self, to_model: CallerToModel) -> None:
        self._to_model = to_model
        self._convert = to_model.convert
        self.held: bytearray | None = bytearray()
        """What waits for a session; None while one hears the caller."""
        self._kept = bytearray()
        """The last of what was written."""
        self._keep_bytes = RETAINED_AUDIO_MS * MULAW_BYTES_PER_MS
        self._written_bytes = 0
        """To the session in use, as mu-law."""
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
    def kept_bytes(self) -> int:
        """How much of what was written is kept, in case that it must be said again."""
        return len(self._kept)

    @property
    def position_s(self) -> float:
        """Where the caller's stream stands, by its own time."""
        return self._stream_end_ms / 1000

    def take(self, body: MediaBody, now: float) -> bytes:
        """One frame from the caller: its sound, to be written or held back.

        Raises ValueError, naming the fault, for a frame that cannot be Twilio's.
        """
        mulaw, timestamp = body.payload, body.timestamp
        size = len(mulaw)
        if not mulaw:
            raise ValueError("empty_frame")
        if size > FRAME_PAYLOAD_MAX_BYTES:
            raise ValueError("oversized_frame")
        if not timestamp.isdecimal() or len(timestamp) > TIMESTAMP_MAX_DIGITS:
            raise ValueError("timestamp")
        self._place(int(timestamp), size / MULAW_BYTES_PER_MS, now)
        self.frames += 1
        self.bytes += size
        return mulaw

    def write(self, mulaw: bytes) -> bytes:
        """A session hears it: the same as audio for the model."""
        self._written_bytes += len(mulaw)
        kept = self._kept
        kept += mulaw
        if len(kept) > self._keep_bytes:
            del kept[: len(kept) - self._keep_bytes]
        return self._convert(mulaw)

    def hold_back(self, mulaw: bytes) -> int:
        """None does yet. The oldest goes beyond the bound: how many milliseconds went."""
        if self.held is None:
            raise BugError("a session hears the caller: write what he says")
        self.held += mulaw
        excess = max(0, len(self.held) - BUFFERED_AUDIO_MAX_MS * MULAW_BYTES_PER_MS)
        del self.held[:excess]
        return round(excess / MULAW_BYTES_PER_MS)

    def keep_turn(self, whole: bool) -> None:
        """Whether all of the caller's turn is kept, or only his last sound."""
        self._keep_bytes = (
            RETAINED_TURN_MAX_MS if whole else RETAINED_AUDIO_MS
        ) * MULAW_BYTES_PER_MS

    def kept_since(self, since_ms: float) -> bytes:
        """What stands behind that moment of the session and is still here, as it came."""
        first = self._written_bytes - len(self._kept)
        skip = max(0, round(since_ms * MULAW_BYTES_PER_MS) - first)
        return bytes(self._kept[skip:]) + bytes(self.held or b"")

    def before(self, mulaw: bytes) -> bytes | None:
        """What he said before this stream began; None while all is held."""
        if self.held is not None:
            self.held[:0] = mulaw
            return None
        return self.write(mulaw)

    def hold(self, since_ms: float) -> None:
        """The session is gone: what the caller says is held for the next one.

        What stands behind `since_ms` of the old one is said again, as far as it was kept.
        """
        if self.held is not None:
            return
        self.held = bytearray(self.kept_since(since_ms))
        self._kept.clear()
        self._written_bytes = 0

    def _place(self, timestamp_ms: int, length_ms: float, now: float) -> None:
        gap, end_ms = timestamp_ms - self._stream_end_ms, timestamp_ms + length_ms
        self._stream_end_ms = end_ms
        began, known = now - end_ms / 1000, self._stream_began_at
        if known is None or not known <= began <= known + TIMESTAMP_LEAP_S:
            self._stream_began_at = began
        else:
            self._stream_began_at = known + _DRIFT_S_PER_FRAME
        if 1 < gap < TIMESTAMP_LEAP_S * 1000 and known is not None:
            self.gap_ms += gap

    def release(self) -> bytes:
        """The model can hear now: all that was held, converted; from here nothing is held."""
        held, self.held = bytes(self.held or b""), None
        return self.write(held) if held else b""

    def spoken_at(self, audio_ms: float) -> float | None:
        """When, by our clock, the caller spoke what stands at `audio_ms` of the session."""
        if self._stream_began_at is None:
            return None
        taken_bytes = self._written_bytes + len(self.held or b"")
        offset_ms = self._stream_end_ms - taken_bytes / MULAW_BYTES_PER_MS
        return self._stream_began_at + (audio_ms + offset_ms) / 1000
