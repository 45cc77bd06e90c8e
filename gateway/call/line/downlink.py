"""The model's sound on its way down: cut to whole frames, paced, and accounted for.

Twilio plays from a buffer of its own. A burst fills it (and is what public bridges see killed by
error 31924), a deep buffer makes every `clear` coarse. So what goes out keeps a bounded lead over
the playback clock: at most `lead_ms`, in groups of up to 200 ms, each with its mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from gateway.audio.transcode import ModelToCaller
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.call.line.playback import PlaybackLedger, Truncation
from gateway.limits.call import FRAME_MS, GROUP_MS, UNDERRUN_MIN_MS, UNPLAYED_AUDIO_MAX_MS
from gateway.protocols.media_stream import ToTwilio


@dataclass(slots=True)
class FirstFrame:
    """The first sound of an answer: when it was sent, and played."""

    position_ms: int
    sent_at: float | None = None
    mark: str | None = None
    mark_ms: int = 0
    played_at: float | None = None


class Downlink:
    """Sound to the caller: queued, sent in groups, followed to the caller's ear."""

    def __init__(self, to_caller: ModelToCaller, lead_ms: int, wire: WireFormat = MULAW_8K) -> None:
        self._to_caller, self._bytes_per_ms = to_caller, wire.bytes_per_ms
        self._lead_ms = lead_ms
        # Two groups fit into the lead: one is played while the next is on its way.
        self._group_ms = min(GROUP_MS, lead_ms // 2 // FRAME_MS * FRAME_MS)
        self._group_bytes = self._group_ms * self._bytes_per_ms
        self._queue = bytearray()
        self._queued_at: float
        """When sound came last while none was waiting."""
        self._due_at: float | None = None
        """When more is to be sent; None while nothing can be."""
        self._not_before = -inf
        """Before this the caller's buffer holds enough, whatever the marks say."""
        self._twilio: ToTwilio | None = None
        self.ledger = PlaybackLedger()
        self.first_sound: FirstFrame | None = None
        self._under_runs: list[tuple[str, float]] = []
        self.groups = 0
        self.bytes = 0

    @property
    def saturated(self) -> int:
        return self._to_caller.saturated

    def open(self, twilio: ToTwilio) -> None:
        self._twilio = twilio
        self._plan()

    def ms_of(self, audio: bytes) -> int:
        """Return how long a piece of the model's sound is."""
        return len(audio) // self._to_caller.bytes_per_ms

    def full(self) -> bool:
        return len(self._queue) > UNPLAYED_AUDIO_MAX_MS * self._bytes_per_ms

    def accept(self, item_id: str, audio: bytes, now: float) -> None:
        """Take sound from the model, of any length."""
        received_ms = len(audio) / self._to_caller.bytes_per_ms
        self._enqueue(item_id, self._to_caller.convert(audio), received_ms, now)

    def finish(self, item_id: str, now: float) -> None:
        """Complete the item that the stream is at: nothing of it waits for more."""
        rest = self._to_caller.flush()
        if rest:
            self._enqueue(item_id, rest, 0.0, now)
        self.ledger.finish(item_id)

    def play(self, item_id: str, mulaw: bytes, now: float) -> int:
        """Queue whole frames of ours; return where they end on the ledger's line."""
        self._enqueue(item_id, mulaw, len(mulaw) / self._bytes_per_ms, now)
        self.ledger.finish(item_id)
        return self.ledger.accepted_ms

    def _enqueue(self, item_id: str, mulaw: bytes, received_ms: float, now: float) -> None:
        queue = self._queue
        if not queue:
            self._queued_at = now
        is_short = len(queue) < self._group_bytes
        queue += mulaw
        self.ledger.accept(item_id, len(mulaw) // self._bytes_per_ms, received_ms)
        if is_short:
            self._plan()

    def watch_first_sound(self) -> None:
        """Follow the next sound to the caller's ear: it opens an answer."""
        self.first_sound = FirstFrame(self.ledger.accepted_ms)

    def pump(self, now: float) -> Sequence[bytes]:
        """Return what may go out now: whole frames, each group with its mark."""
        # Asked after every event, and nearly always too early.
        if now < self._not_before or self._twilio is None or not self._queue:
            return ()
        messages: list[bytes] = []
        ledger, queue, lead_ms = self.ledger, self._queue, self.ledger.lead_ms(now)
        ms = self._group()
        if ledger.dry(now):
            self._note_under_run(now)
            # One frame opens an answer, so that its mark tells early when the caller hears it.
            ms = FRAME_MS
        while queue and lead_ms + ms <= self._lead_ms:
            size = ms * self._bytes_per_ms
            group = bytes(queue[:size])
            del queue[:size]
            mark = ledger.sent(ms, now)
            lead_ms += ms
            self.groups += 1
            self.bytes += size
            messages.append(self._twilio.media(group))
            messages.append(self._twilio.mark(mark))
            self._follow(mark, now)
            ms = self._group()
        self._plan()
        return messages

    def _plan(self) -> None:
        """Work out when more can go out, by what waits and what was sent."""
        if not self._queue or self._twilio is None:
            self._due_at, self._not_before = None, -inf
            return
        by_clock, by_marks = self.ledger.low_at(self._lead_ms - self._group())
        self._not_before = by_clock
        self._due_at = max(by_clock, by_marks)

    def _group(self) -> int:
        waiting_ms = len(self._queue) // self._bytes_per_ms
        return min(self._group_ms, waiting_ms)

    def _note_under_run(self, now: float) -> None:
        """Note a gap: the caller's buffer is empty, and no answer begins."""
        ledger = self.ledger
        gap_s = now - ledger.dry_at()
        if gap_s * 1000 < UNDERRUN_MIN_MS or not ledger.in_mid_item():
            return
        cause = "gateway" if self._queued_at < ledger.dry_at() else "model"
        self._under_runs.append((cause, gap_s))

    def take_under_runs(self) -> list[tuple[str, float]]:
        """Return (cause, seconds) of each since the last look; see `PlaybackUnderRun`."""
        if not self._under_runs:
            return []
        taken, self._under_runs = self._under_runs, []
        return taken

    def _follow(self, mark: str, now: float) -> None:
        first = self.first_sound
        if first is not None and first.mark is None and self.ledger.sent_ms > first.position_ms:
            first.sent_at, first.mark, first.mark_ms = now, mark, self.ledger.sent_ms

    def due(self) -> float | None:
        """Return when to pump again; None while there is nothing to send."""
        return self._due_at

    def acknowledge(self, mark: str, now: float) -> bool:
        """Take a mark that came back; False for one of an epoch that is over."""
        if self.ledger.acknowledge(mark, now) is None:
            return False
        if self._due_at is not None and self._due_at > self._not_before:
            self._plan()  # it was late marks that were waited for
        first = self.first_sound
        if first is not None and first.mark == mark:
            # A simulated telephone may echo a mark at once: nothing is played before it was sent.
            played_at = now - (first.mark_ms - first.position_ms) / 1000
            first.played_at = max(played_at, first.sent_at or played_at)
        return True

    def speaking(self, now: float) -> bool:
        """Return whether the caller hears the model, or is about to."""
        return bool(self._queue) or not self.ledger.all_heard(now)

    def settled(self) -> bool:
        return not self._queue and self.ledger.settled()

    def cut(self, now: float) -> tuple[list[bytes], list[Truncation]]:
        """Stop at once; return the messages to Twilio, and what each item keeps."""
        anything_out = self.ledger.lead_ms(now) > 0 or not self.ledger.settled()
        truncations = self.ledger.cut(now)
        self._queue.clear()
        self._plan()
        self._to_caller.reset()
        self.first_sound = None
        if self._twilio is None or not anything_out:
            return [], truncations
        return [self._twilio.clear()], truncations
