"""Sound of a recorded call in both directions, as it happened, until somebody takes it away.

The way of a frame has one append more in a recorded call, and none in any other: the line is
given an uplink, and encoders of its messages, that write down what passes. Where each piece stands
in the recording is worked out later, off the event loop, by `gateway.audio.stereo_timeline`.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.audio.stereo_timeline import (
    ACKNOWLEDGED,
    CALLER,
    CLEARED,
    KEEP,
    KEY,
    MARKED,
    PAUSED,
    PLAYED,
    RESUMED,
    Entry,
)
from gateway.audio.transcode import CallerToModel, model_to_caller
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.call.context import CallContext
from gateway.call.line.playback import PlaybackLedger
from gateway.call.line.uplink import Uplink
from gateway.protocols.media_stream import MediaBody, ToTwilio


class SoundTap:
    """Entries of one stream since the last look, in the order in which they happened."""

    def __init__(
        self, ctx: CallContext, ledger: PlaybackLedger, wire: WireFormat = MULAW_8K
    ) -> None:
        self._ctx, self._ledger, self._wire = ctx, ledger, wire
        self._entries: list[Entry] = []
        self.add: Callable[[Entry], None] = self._entries.append
        """Adds one entry; found once, for each frame."""

    def take(self) -> list[Entry]:
        """Return the entries since the last time."""
        taken, self._entries = self._entries, []
        if self.add is not _drop:
            self.add = self._entries.append
        return taken

    def close(self) -> None:
        """Write nothing down from here on: the call is not recorded."""
        self._entries, self.add = [], _drop

    def encoder(self, stream_sid: str) -> ToTwilio:
        """Return an encoder of messages to the stream that writes down what is played."""
        return _RecordedToTwilio(stream_sid, self, self._wire)

    @property
    def now(self) -> float:
        return self._ctx.now

    # --- What was heard ---

    def sound_end(self) -> tuple[int, int]:
        """Return where all sound of the model's so far ends: the epoch, and ms on its line."""
        return self._ledger.epoch, self._ledger.accepted_ms

    def heard_ago_s(self, epoch: int, ms: int) -> float | None:
        """Return how long ago a place was heard, by the marks; None if it was not, or was cut."""
        if epoch != self._ledger.epoch:
            return None
        return self._ledger.acknowledged_ago_s(ms, self._ctx.now)

    # --- Entries without sound ---

    def keep_from(self, at: float) -> None:
        """Keep what is heard from that moment on; until then nothing is kept."""
        self.add((KEEP, self._ctx.now, at))

    def acknowledge(self, mark: str) -> None:
        self.add((ACKNOWLEDGED, self._ctx.now, mark))

    def pressed(self) -> None:
        """A key of the caller's, of which the tone is not kept."""
        self.add((KEY, self._ctx.now, None))

    def pause(self) -> None:
        self.add((PAUSED, self._ctx.now, None))

    def resume(self) -> None:
        self.add((RESUMED, self._ctx.now, None))


def _drop(_entry: Entry) -> None:
    pass


class RecordedUplink(Uplink):
    """Sound from the caller that is also written down."""

    def __init__(self, to_model: CallerToModel, tap: SoundTap, wire: WireFormat = MULAW_8K) -> None:
        super().__init__(to_model, wire)
        self._tap, self._as_mulaw = tap, _as_mulaw(wire)

    def take(self, body: MediaBody, now: float) -> bytes:
        sound = super().take(body, now)
        mulaw = sound if self._as_mulaw is None else self._as_mulaw(sound)
        self._tap.add((CALLER, now, (body.timestamp, mulaw)))
        return sound


def _as_mulaw(wire: WireFormat) -> Callable[[bytes], bytes] | None:
    """Return what makes mu-law of a line's sound, None where it is mu-law: recordings are."""
    return None if wire is MULAW_8K else model_to_caller("pcm24k").convert


class _RecordedToTwilio(ToTwilio):
    """Messages to a stream, of which each sound, mark and `clear` is written down."""

    __slots__ = ("_as_mulaw", "_tap")

    def __init__(self, stream_sid: str, tap: SoundTap, wire: WireFormat) -> None:
        super().__init__(stream_sid)
        self._tap, self._as_mulaw = tap, _as_mulaw(wire)

    def media(self, mulaw: bytes) -> bytes:
        recorded = mulaw if self._as_mulaw is None else self._as_mulaw(mulaw)
        self._tap.add((PLAYED, self._tap.now, recorded))
        return super().media(mulaw)

    def mark(self, name: str) -> bytes:
        self._tap.add((MARKED, self._tap.now, name))
        return super().mark(name)

    def clear(self) -> bytes:
        self._tap.add((CLEARED, self._tap.now, None))
        return super().clear()
