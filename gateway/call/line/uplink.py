"""The caller's sound on its way up: first words buffered, and the model's time line kept.

The model speaks of the caller's speech in milliseconds of audio *written to the session*
(`audio_start_ms`, `audio_end_ms`). To know when, by the clock, the caller stopped speaking, that
line is tied to the stream's own presentation time (`media.timestamp`), and that one to the clock
by the frame that took the shortest way.
"""

from __future__ import annotations

from math import inf

from gateway.audio.transcode import CallerToModel
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.errors import BugError
from gateway.limits.call import (
    BUFFERED_AUDIO_MAX_MS,
    FRAME_PAYLOAD_MAX_BYTES,
    RETAINED_AUDIO_MS,
    RETAINED_TURN_MAX_MS,
    SOUND_BURST_MS,
    SOUND_RATE_MAX,
    TIMESTAMP_LEAP_S,
    TIMESTAMP_MAX_DIGITS,
)
from gateway.protocols.media_stream import MediaBody

_DRIFT_S_PER_FRAME = 2e-6
"""The shortest way may grow again: 100 us a second is more than two quartz clocks part."""

_LEAP_MS = TIMESTAMP_LEAP_S * 1000

_TRIM_MS = 200
"""Sound that is written before what is retained is tidied up: once in ten frames, not in each."""


class Uplink:
    """Sound from the caller: buffered until a session hears it, and kept until it is understood."""

    def __init__(self, to_model: CallerToModel, wire: WireFormat = MULAW_8K) -> None:
        self._to_model = to_model
        self._bytes_per_ms = per_ms = wire.bytes_per_ms
        self._burst_bytes = SOUND_BURST_MS * per_ms
        self._trim_bytes = _TRIM_MS * per_ms
        self._convert = to_model.convert
        self.buffered: bytearray | None = bytearray()
        """Sound that waits for a session; None while one hears the caller."""
        self._retained = bytearray()
        """The newest of what was written, but for what was written last."""
        self._written_last: list[bytes] = []
        """Frames that are to be added to it, ten at a time: each would have it move in memory."""
        self._keep_bytes = RETAINED_AUDIO_MS * per_ms
        self._written_bytes = 0
        """Written to the session in use, in the caller's format."""
        self._tidy_at = 0
        """From how many written bytes on what is retained is to be tidied up."""
        self._stream_end_ms = 0.0
        self._stream_began_at = inf
        """Unknown before the first frame, which takes the shortest way so far."""
        self.frames = 0
        self.bytes = 0
        self._bytes_max = 0
        """From how many bytes on it must be seen whether they came too fast."""
        self._bytes_max_at: float | None = None
        self.gap_ms = 0.0
        """Presentation time that no frame covered, so far."""

    @property
    def saturated(self) -> int:
        return self._to_model.saturated

    @property
    def retained_bytes(self) -> int:
        """How much of what was written is retained, in case that it must be said again."""
        return len(self._tidied())

    @property
    def position_s(self) -> float:
        """The position of the caller's stream, by its own time."""
        return self._stream_end_ms / 1000

    def take(self, body: MediaBody, now: float) -> bytes:
        """Take one frame from the caller; return its sound, to be written or buffered.

        Raises ValueError, naming the fault, for a frame that cannot be Twilio's.
        """
        mulaw, timestamp = body.payload, body.timestamp
        size = len(mulaw)
        if not 0 < size <= FRAME_PAYLOAD_MAX_BYTES:
            raise ValueError("oversized_frame" if size else "empty_frame")
        if not timestamp.isdecimal() or len(timestamp) > TIMESTAMP_MAX_DIGITS:
            raise ValueError("timestamp")
        taken = self.bytes + size
        if taken > self._bytes_max:
            self._extend(size, now)
        # A number of so few digits is exact, and Python 3.11 reads it in half the time.
        start_ms = float(timestamp)
        gap_ms = start_ms - self._stream_end_ms
        self._stream_end_ms = end_ms = start_ms + size / self._bytes_per_ms
        began, known = now - end_ms / 1000, self._stream_began_at
        if began < known or began > known + TIMESTAMP_LEAP_S:
            self._stream_began_at = began
        else:
            self._stream_began_at = known + _DRIFT_S_PER_FRAME
        if gap_ms > 1 and gap_ms < _LEAP_MS and self.frames:
            self.gap_ms += gap_ms
        self.frames += 1
        self.bytes = taken
        return mulaw

    def _extend(self, size: int, now: float) -> None:
        """Allow more bytes by the time since then. Raises ValueError where that is not enough."""
        since, self._bytes_max_at = self._bytes_max_at, now
        more = (
            self._burst_bytes
            if since is None
            else int((now - since) * SOUND_RATE_MAX * 1000 * self._bytes_per_ms)
        )
        self._bytes_max = min(self._bytes_max + more, self.bytes + self._burst_bytes)
        if self.bytes + size > self._bytes_max:
            raise ValueError("sound_too_fast")

    def write(self, mulaw: bytes) -> bytes:
        """Write sound to the session in use; return it as audio for the model."""
        written = self._written_bytes = self._written_bytes + len(mulaw)
        self._written_last.append(mulaw)
        if written > self._tidy_at:
            self._tidied()
        convert = self._convert
        return convert(mulaw)

    def _tidied(self) -> bytearray:
        """Return all that is retained, in one piece and not much longer than it is to be."""
        retained, last = self._retained, self._written_last
        retained += b"".join(last)
        last.clear()
        if len(retained) > self._keep_bytes:
            del retained[: -self._keep_bytes]
        self._tidy_at = self._written_bytes + self._trim_bytes
        return retained

    def buffer(self, mulaw: bytes) -> int:
        """Buffer sound for a session to come; return how many ms of the oldest were dropped."""
        if self.buffered is None:
            raise BugError("a session hears the caller: write to it")
        self.buffered += mulaw
        excess = max(0, len(self.buffered) - BUFFERED_AUDIO_MAX_MS * self._bytes_per_ms)
        del self.buffered[:excess]
        return round(excess / self._bytes_per_ms)

    def retain_turn(self, whole: bool) -> None:
        """Set whether all of the caller's turn is retained, or only their last sound."""
        self._keep_bytes = (
            RETAINED_TURN_MAX_MS if whole else RETAINED_AUDIO_MS
        ) * self._bytes_per_ms

    def retained_since(self, since_ms: float) -> bytes:
        """Return the sound after that moment of the session, as it came, if it is retained."""
        retained = self._tidied()
        first = self._written_bytes - len(retained)
        skip = max(0, round(since_ms * self._bytes_per_ms) - first)
        return bytes(retained[skip:]) + bytes(self.buffered or b"")

    def before(self, mulaw: bytes) -> bytes | None:
        """Take sound from before this stream began; return it for the model, None if buffered."""
        if self.buffered is not None:
            self.buffered[:0] = mulaw
            return None
        return self.write(mulaw)

    def buffer_since(self, since_ms: float) -> None:
        """Buffer from now on: the session is gone, and the next one is to hear it.

        What stands behind `since_ms` of the old one is said again, as far as it was kept.
        """
        if self.buffered is not None:
            return
        self.buffered = bytearray(self.retained_since(since_ms))
        self._retained.clear()
        self._written_bytes = self._tidy_at = 0

    def release(self) -> bytes:
        """Return all that was buffered, converted; from here on nothing is buffered."""
        buffered, self.buffered = bytes(self.buffered or b""), None
        return self.write(buffered) if buffered else b""

    def spoken_at(self, audio_ms: float) -> float | None:
        """Return when the caller spoke what stands at `audio_ms` of the session, by our clock."""
        if not self.frames:
            return None
        taken_bytes = self._written_bytes + len(self.buffered or b"")
        offset_ms = self._stream_end_ms - taken_bytes / self._bytes_per_ms
        return self._stream_began_at + (audio_ms + offset_ms) / 1000
