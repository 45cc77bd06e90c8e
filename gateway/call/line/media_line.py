"""A line whose sound passes through us: Twilio Media Streams, or a browser that speaks the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gateway import limits
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import CallContext, Out
from gateway.call.endings import Ending
from gateway.call.line.downlink import Downlink
from gateway.call.line.first_sound import FirstSound
from gateway.call.line.hold_tone import HoldTone
from gateway.call.line.key_tones import KeyTones
from gateway.call.line.line_counters import LineCounters
from gateway.call.line.sound_tap import SoundTap
from gateway.call.line.uplink import Uplink
from gateway.call.part import CallPart
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model
from gateway.protocols.media_stream import ToTwilio

# Python 3.11 takes ten times as long to find a member of an enum: too dear for each frame.
_CLOSED, _READY = CallPhase.CLOSED, LinkState.READY
_WRONG_SID = events.PeerFaultCounted("caller", "wrong_stream_sid")

StreamEvent = caller.Media | caller.Mark | caller.Dtmf | caller.Stop


class MediaLine(CallPart):
    """The caller's media stream: sound up, sound down, and what of it was heard."""

    written_only: frozenset[type] = frozenset({model.TranscriptDelta, model.CallerTranscriptDelta})
    """Events that are only written down: nothing can have become due by them."""
    of_sound: frozenset[type] = frozenset({caller.Mark, model.AudioDelta})
    """Events that move the model's sound along, and no more than that while it speaks on."""
    ended_event = caller.Stop
    key_event = caller.Dtmf
    can_hold = True
    """Whether the caller can hear a sound of ours."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        uplink: Uplink,
        downlink: Downlink,
        wire: WireFormat = MULAW_8K,
        tap: SoundTap | None = None,
    ) -> None:
        """`wire` is the only format that the stream may have, for which both directions are made;
        `tap` writes down both directions of a call that is to be recorded.
        """
        self._ctx, self._wire, self.tap = ctx, wire, tap
        self.uplink, self.downlink = uplink, downlink
        self._first_sound = FirstSound(ctx, downlink)
        self.latency = self._first_sound.latency
        self._hold_tone = HoldTone(ctx, work, downlink, self.speaking, wire)
        self._tones = KeyTones(ctx, work, downlink, wire)
        self._stream_sid: str | None = None
        self._frame_at: float | None = None
        self._looks_at: float
        """When the next look at the stream is due; set with its timer."""
        self._sound_item: str | None = None
        self._cut_items: deque[str] = deque(maxlen=limits.call.ITEMS_CUT_KEPT_MAX)
        self._cut_response: str | None = None
        self.handlers = {
            caller.Start: self._on_start,
            caller.Mark: self._on_mark,
            inputs.CallerLost: self._on_caller_lost,
            inputs.EarlierTranscriptFound: self._on_earlier_sound,
            model.AudioDelta: self._on_audio,
            model.AudioDone: self._on_audio_done,
        }
        self.timers = {Timer.MEDIA: self._watch_media, Timer.TONES: self._tones.watch}

    # --- From the caller ---

    def pass_up(self, frame: caller.Media, now: float) -> bytes | None:
        """Return a frame of the caller's as a message for the model, fifty times a second.

        None: the frame is still to be given to `hear`, which does what this short way cannot.
        """
        uplink, ctx = self.uplink, self._ctx
        if (
            frame.stream_sid != self._stream_sid
            or ctx.link is not _READY
            or self._frame_at is None
            or ctx.phase is _CLOSED
            or uplink.buffered is not None
        ):
            return None
        try:
            mulaw = uplink.take(frame.media, now)
        except ValueError:
            return None  # `hear` says why
        self._frame_at = now
        return to_model.append(uplink.write(mulaw))

    def hear(self, frame: caller.Media, now: float) -> Sequence[Out]:
        """Take any frame, also one that is the first, or faulty, or that no session can hear."""
        message = self.pass_up(frame, now)
        if message is not None:
            return (do.SendToModel(message),)
        if self._ctx.phase is _CLOSED:
            return ()
        if frame.stream_sid != self._stream_sid:
            return (_WRONG_SID,)
        try:
            mulaw = self.uplink.take(frame.media, now)
        except ValueError as error:
            return (events.PeerFaultCounted("caller", str(error)),)
        self._frame_at = now
        if self.uplink.buffered is not None:
            dropped_ms = self.uplink.buffer(mulaw)
            return (events.AudioDropped("buffer_full", dropped_ms),) if dropped_ms else ()
        audio = self.uplink.write(mulaw)
        return (do.SendToModel(to_model.append(audio)),) if self._ctx.link is _READY else ()

    def owns(self, event: StreamEvent) -> bool:
        """Return whether the event is of this stream; one of another is the caller's fault."""
        if event.stream_sid == self._stream_sid:
            return True
        self._ctx.put(_WRONG_SID)
        return False

    def key_of(self, event: caller.Dtmf) -> tuple[str, float]:
        """Return a key and when it was pressed, by the stream's own time."""
        return event.dtmf.digit, self.uplink.position_s

    def _on_start(self, event: caller.Start) -> None:
        ctx = self._ctx
        if ctx.phase is not CallPhase.EXPECTED:
            return ctx.put(events.PeerFaultCounted("caller", "second_start"))
        self._stream_sid = event.stream_sid
        if "outbound" in event.start.tracks:
            # TwiML of an operator's own: the model hears itself. Which track a frame is of is not
            # read, fifty times a second.
            ctx.put(events.PeerFaultCounted("caller", "outbound_track"))
        ctx.arrive()
        given, wire = event.start.media_format, self._wire
        if (given.encoding, given.sample_rate, given.channels) != (
            wire.encoding,
            wire.sample_rate,
            1,
        ):
            return ctx.end(Ending.MEDIA_UNSUPPORTED)
        sid = event.stream_sid
        twilio = ToTwilio(sid) if self.tap is None else self.tap.encoder(sid)
        self.downlink.open(twilio)
        self._hold_tone.open(twilio)
        # A stream that starts and never sends a frame is as dead as one that falls silent.
        return self._look_at(ctx.now + ctx.patience.media_silence_max_s)

    def _on_mark(self, event: caller.Mark) -> None:
        ctx = self._ctx
        if not self.owns(event) or not self.downlink.acknowledge(event.mark.name, ctx.now):
            return  # a mark that is echoed by a clear was never heard
        if ctx.phase is CallPhase.GOODBYE:
            ctx.extend_goodbye(ctx.patience.goodbye_max_s)
        if self.downlink.first_sound is not None:
            self._first_sound.measure()

    def _on_caller_lost(self, _event: inputs.CallerLost) -> None:
        self._ctx.end(Ending.MEDIA_BROKEN)

    def _on_earlier_sound(self, event: inputs.EarlierTranscriptFound) -> None:
        audio = self.uplink.before(event.mulaw)
        if audio is not None and self._ctx.link is _READY:
            self._ctx.to_model(to_model.append(audio))

    def retained_since(self, since_ms: float) -> bytes:
        return self.uplink.retained_since(since_ms)

    def retain_turn(self, whole: bool) -> None:
        """Set whether all of the caller's turn is retained, or only their last sound."""
        self.uplink.retain_turn(whole)

    def buffer_since(self, since_ms: float) -> None:
        """Buffer the caller's sound for the next session, from that moment of this one."""
        self.uplink.buffer_since(since_ms)

    def release_buffer(self) -> None:
        """Send what was buffered to the session in use."""
        buffered = self.uplink.release()
        if buffered:
            self._ctx.to_model(to_model.append(buffered))

    # --- From the model ---

    def _on_audio(self, event: model.AudioDelta) -> None:
        item_id, ctx, downlink = event.item_id, self._ctx, self.downlink
        if event.response_id == self._cut_response or item_id in self._cut_items:
            return self._drop_late(item_id)
        ctx.response_progressed()
        if downlink.full():
            # More of the answer waits than is played in ten minutes.
            self._cut_response = event.response_id
            ctx.put(events.AudioDropped("unplayed", downlink.ms_of(event.delta)))
            return self.cancel_response(event.response_id)
        if item_id != self._sound_item:
            self._open_item(item_id)
        ctx.history.model_sounds(item_id, downlink.ms_of(event.delta))
        return downlink.accept(item_id, event.delta, ctx.now)

    def _on_audio_done(self, event: model.AudioDone) -> None:
        item_id, downlink = event.item_id, self.downlink
        if event.response_id == self._cut_response or item_id in self._cut_items:
            return
        if item_id == self._sound_item:
            downlink.finish(item_id, self._ctx.now)
            if item_id == self._ctx.answer.item_id:
                self._ctx.response_sounded(downlink.ledger.left_ms(self._ctx.now) / 1000)
        else:
            # The stream has gone on with another item, whose sound waits in the filter.
            downlink.ledger.finish(item_id)

    @property
    def items_cut(self) -> int:
        """How many items are remembered of which nothing more is played."""
        return len(self._cut_items)

    def break_off(self) -> None:
        """No more sound comes of the answer that was in flight."""
        if self._sound_item is not None:
            self.downlink.finish(self._sound_item, self._ctx.now)
        self.downlink.ledger.finish_all()

    def _drop_late(self, item_id: str) -> None:
        """Drop sound that was on its way when the caller broke in.

        Of a new item nothing is heard: it is truncated to nothing.
        """
        heard_of = item_id == self._sound_item or item_id in self.downlink.ledger.item_ids()
        if item_id not in self._cut_items and not heard_of:
            self._cut_items.append(item_id)
            self._ctx.history.cut(item_id, 0)
            self._truncate(item_id, 0)

    def _truncate(self, item_id: str, audio_end_ms: int) -> None:
        ctx = self._ctx
        if ctx.link is not _READY:
            return None
        retold = ctx.history.correction(item_id)
        if retold is not None:
            return ctx.retell(retold)
        return ctx.to_model(to_model.item_truncate(item_id, audio_end_ms, ctx.new_id()))

    def _open_item(self, item_id: str) -> None:
        self._sound_item = item_id
        self._ctx.answer.spoke(item_id)
        self._first_sound.answered()

    def release(self) -> None:
        super().release()
        self._hold_tone.release()

    # --- What the dialogue asks of the line ---

    @property
    def goodbye_max_s(self) -> float:
        """How long a goodbye may take that is being said already."""
        return self._ctx.patience.goodbye_max_s

    def can_be_heard(self) -> bool:
        """Return whether sound reaches the caller."""
        return self._frame_at is not None

    def speaking(self) -> bool:
        """Return whether the caller hears the model, or is about to."""
        return self.downlink.speaking(self._ctx.now) and not self._tones.playing()

    mid_sound = speaking
    """Whether a little more sound makes nothing else due while the model speaks."""

    def all_heard(self) -> bool:
        """Return whether every sound of the model so far has been played to the caller."""
        return self.downlink.settled()

    def spoken_at(self, audio_ms: float) -> float | None:
        """Return when the caller spoke what stands at `audio_ms` of the session's audio."""
        return self.uplink.spoken_at(audio_ms)

    def cancel_response(self, response_id: str) -> None:
        self._ctx.cancel_response(response_id)

    def stop_playback(self) -> None:
        """Nothing to do: `cut` clears what is being played."""

    def cut(self) -> tuple[str, int] | None:
        """Stop at once; the model learns what was heard. Return the item and its ms heard."""
        if self._tones.playing():
            # What was begun is dialled to its end: half a number is a wrong one.
            self._cut_response = self._ctx.responses.active_id
            return None
        cut = self._cut_sound()
        self._tones.cut()
        return cut

    def _cut_sound(self) -> tuple[str, int] | None:
        ctx, downlink = self._ctx, self.downlink
        playing = downlink.ledger.playing(ctx.now)
        self._cut_items.extend(downlink.ledger.item_ids())
        for unheard in downlink.ledger.unheard(ctx.now):
            ctx.history.cut(unheard.item_id, unheard.audio_end_ms)
        messages, truncations = downlink.cut(ctx.now)
        ctx.to_caller(messages)
        for cut in truncations:
            if cut.item_id != self._tones.item_id:
                self._truncate(cut.item_id, cut.audio_end_ms)
        self._cut_response = ctx.responses.active_id
        if playing is None:
            return None
        heard_ms = (c.audio_end_ms for c in truncations if c.item_id == playing.item_id)
        return playing.item_id, next(heard_ms, 0)

    # --- Keys that we press ---

    def can_dial(self) -> bool:
        """Return whether tones can be put into the caller's line now."""
        return not self._tones.pending

    def dial(self, call_id: str, digits: str) -> None:
        """Play keys; the function call is finished when they were heard."""
        self._ctx.to_caller(self._hold_tone.stop(self._ctx.now))
        self._tones.play(call_id, digits)

    def call_ends(self) -> None:
        self._tones.cut()

    # --- After every event ---

    def settle(self) -> None:
        self._ctx.to_caller(self._hold_tone.due_messages())
        self.play_on()

    def play_on(self) -> None:
        """Send what of the model's sound is due."""
        messages = self.downlink.pump(self._ctx.now)
        if not messages:
            return
        self._ctx.to_caller(messages)
        for cause, gap_s in self.downlink.take_under_runs():
            self._ctx.put(events.PlaybackUnderRun(cause, gap_s))

    def due(self) -> float | None:
        """Return when more sound is to be sent."""
        pump, hold = self.downlink.due(), self._hold_tone.due()
        return pump if hold is None or (pump is not None and pump <= hold) else hold

    # --- Time ---

    def _watch_media(self) -> None:
        # Set, and compared with, the very same sum: a difference may fall short of it for ever.
        dead_at = (self._frame_at or 0.0) + self._ctx.patience.media_silence_max_s
        if self._ctx.now < dead_at:
            self._look_at(dead_at)
        elif self._ctx.now > self._looks_at + limits.call.TICK_LATE_MAX_S:
            # This tick is late; frames may be waiting in the socket buffer. Look again.
            self._look_at(self._ctx.now + limits.call.TICK_LATE_MAX_S)
        else:
            self._ctx.end(Ending.MEDIA_STALLED)

    def _look_at(self, at: float) -> None:
        self._looks_at = at
        self._ctx.timers.set(Timer.MEDIA, at)

    def counters(self, now: float) -> LineCounters | None:
        up, down = self.uplink, self.downlink
        return LineCounters(
            frames=(up.frames, down.groups),
            bytes=(up.bytes, down.bytes),
            saturated=(up.saturated, down.saturated),
            gap_ms=up.gap_ms,
            buffered_ms=down.ledger.lead_ms(now),
        )
