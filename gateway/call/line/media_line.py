"""A call whose sound passes through us: Twilio Media Streams on the caller's side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.audio.transcode import caller_to_model
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import Out
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.line.sounding import SoundingCall
from gateway.call.line.uplink import Uplink
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model

# Python 3.11 takes ten times as long to find a member of an enum: too dear for each frame.
_CLOSED, _READY = CallPhase.CLOSED, LinkState.READY
_WIRE = (caller.MULAW_ENCODING, 8000, 1)
_WRONG_SID = events.PeerFaultCounted("caller", "wrong_stream_sid")


class MediaCall(SoundingCall):
    _of_sound = frozenset({caller.Mark, model.AudioDelta})

    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        self.uplink = Uplink(caller_to_model(agent.audio))
        self._stream_sid: str | None = None
        self._frame_at: float | None = None
        self._looks_at = 0.0
        self._sound_item: str | None = None
        self._cut_items: deque[str] = deque(maxlen=limits.call.ITEMS_CUT_KEPT_MAX)
        self._cut_response: str | None = None
        self._heard_first = False
        super().__init__(agent, session, new_id, now)

    def _table(self) -> dict[type, Callable[[Any], None]]:
        return super()._table() | {
            caller.Start: self._on_start,
            caller.Mark: self._of_this_stream(self._on_mark),
            caller.Dtmf: self._of_this_stream(self._on_dtmf),
            caller.Stop: self._of_this_stream(self._on_stop),
            inputs.CallerLost: self._on_caller_lost,
            inputs.EarlierTranscriptFound: self._on_said_before,
            model.AudioDelta: self._on_audio,
            model.AudioDone: self._on_audio_done,
        }

    def handle(self, event: object, now: float) -> Sequence[Out]:
        if type(event) is not caller.Media:
            return super().handle(event, now)
        message = self.pass_up(event, now)
        return self._hear(event, now) if message is None else (do.SendToModel(message),)

    @property
    def deadline(self) -> float | None:
        if self.life is _CLOSED:
            return None
        due, pump, hold = self._desk.timers.next(), self.downlink.due(), self._hold.due()
        if due is None or (pump is not None and pump < due):
            due = pump
        return hold if hold is not None and (due is None or hold < due) else due

    # --- From the caller ---

    def pass_up(self, frame: caller.Media, now: float) -> bytes | None:
        """Fifty times a second: no more than is needed."""
        uplink = self.uplink
        if (
            frame.stream_sid != self._stream_sid
            or self.link is not _READY
            or self._frame_at is None
            or self.life is _CLOSED
            or uplink.held is not None
        ):
            return None
        try:
            mulaw = uplink.take(frame.media, now)
        except ValueError:
            return None  # `handle` says why
        self._frame_at = now
        return to_model.append(uplink.write(mulaw))

    def _hear(self, event: caller.Media, now: float) -> Sequence[Out]:
        """A frame that is the first, or faulty, or that no session can hear."""
        if self.life is _CLOSED:
            return ()
        if event.stream_sid != self._stream_sid:
            return (_WRONG_SID,)
        if self._frame_at is None:
            return self._hear_first(event.media, now)
        return self._take(event.media, now)

    def _take(self, body: caller.MediaBody, now: float) -> Sequence[Out]:
        try:
            mulaw = self.uplink.take(body, now)
        except ValueError as error:
            return (events.PeerFaultCounted("caller", str(error)),)
        self._frame_at = now
        if self.uplink.held is not None:
            dropped_ms = self.uplink.hold_back(mulaw)
            return (events.AudioDropped("held", dropped_ms),) if dropped_ms else ()
        audio = self.uplink.write(mulaw)
        return (do.SendToModel(to_model.append(audio)),) if self.link is _READY else ()

    def _hear_first(self, body: caller.MediaBody, now: float) -> Sequence[Out]:
        first = self._take(body, now)
        if self._frame_at is None:
            return first  # it could not be read
        self._desk.now = now
        self._greet()
        return (*first, *self._settled())

    def _of_this_stream(self, handle: Callable[[Any], None]) -> Callable[[Any], None]:
        def handle_own(event: caller.Mark | caller.Dtmf | caller.Stop) -> None:
            if event.stream_sid == self._stream_sid:
                handle(event)
            else:
                self._note(_WRONG_SID)

        return handle_own

    def _on_start(self, event: caller.Start) -> None:
        if self.life is not CallPhase.EXPECTED:
            return self._note(events.PeerFaultCounted("caller", "second_start"))
        self._stream_sid = event.stream_sid
        self._arrive()
        wire = event.start.media_format
        if (wire.encoding, wire.sample_rate, wire.channels) != _WIRE:
            return self._end(Ending.MEDIA_UNSUPPORTED)
        self.downlink.open(event.stream_sid)
        self._hold.open(event.stream_sid)
        # A stream that starts and never sends a frame is as dead as one that falls silent.
        return self._look_at(self._desk.now + limits.call.MEDIA_SILENCE_MAX_S)

    def _on_mark(self, event: caller.Mark) -> None:
        if not self.downlink.acknowledge(event.mark.name, self._desk.now):
            return  # echoed by a clear: never heard
        if self.life is CallPhase.GOODBYE:
            self._goodbye_within(limits.call.GOODBYE_MAX_S)
        self._measure()

    def _measure(self) -> None:
        first = self.downlink.first_sound
        if first is None or first.played_at is None or first.sent_at is None:
            return
        self.downlink.first_sound = None
        if not self._heard_first and self._arrived_at is not None:
            self._heard_first = True
            since_arrival_s = first.played_at - self._arrived_at
            self._note(events.FirstAudioSent(first.played_at - self._announced_at, since_arrival_s))
        measured = self.turns.heard(first.sent_at, first.played_at)
        if measured is not None:
            self._note(measured)

    def _on_dtmf(self, event: caller.Dtmf) -> None:
        self._on_key(event.dtmf.digit, self.uplink.position_s)

    def _on_stop(self, _event: caller.Stop) -> None:
        self._gone()

    def _on_caller_lost(self, _event: inputs.CallerLost) -> None:
        self._end(Ending.MEDIA_BROKEN)

    def _on_said_before(self, event: inputs.EarlierTranscriptFound) -> None:
        audio = self.uplink.before(event.mulaw)
        if audio is not None and self.link is LinkState.READY:
            self._desk.to_model(to_model.append(audio))

    def not_understood(self) -> bytes:
        """The caller's last sound, mu-law, of which no session knows the words."""
        return self.uplink.kept_since(self._caller_turns.since_ms)

    def _hand_over(self) -> None:
        super()._hand_over()
        self.uplink.keep_turn(True)

    # --- From the model ---

    def _on_ready(self) -> None:
        self._let_hear()
        self._heard_again(self._caller_turns.open)
        self._greet()

    def _say_again(self, since_ms: float) -> None:
        self.uplink.hold(since_ms)

    def _let_hear(self) -> None:
        held = self.uplink.release()
        if held:
            self._desk.to_model(to_model.append(held))

    def _keep_turn(self) -> None:
        self.uplink.keep_turn(self._caller_turns.open)

    def _break_off(self) -> None:
        if self._sound_item is not None:
            self.downlink.finish(self._sound_item, self._desk.now)

    def _on_audio(self, event: model.AudioDelta) -> None:
        if self._is_cut(event.response_id, event.item_id):
            return self._drop_late(event.item_id)
        self._progress()
        if self.downlink.full():
            return self._too_long(event)
        if event.item_id != self._sound_item:
            self._open_item(event.item_id)
        self.memory.model_sounds(event.item_id, self.downlink.ms_of(event.delta))
        return self.downlink.accept(event.item_id, event.delta, self._desk.now)

    def _on_audio_done(self, event: model.AudioDone) -> None:
        if not self._is_cut(event.response_id, event.item_id):
            self.downlink.finish(event.item_id, self._desk.now)

    def _drop_late(self, item_id: str) -> None:
        """Sound that was on its way when the caller broke in; of a new item he hears nothing."""
        if item_id not in self._cut_items and item_id != self._sound_item:
            self._cut_items.append(item_id)
            self.memory.cut(item_id, 0)
            self._truncate(item_id, 0)

    def _truncate(self, item_id: str, audio_end_ms: int) -> None:
        if self.link is not LinkState.READY:
            return None
        retold = self.memory.retold(item_id)
        if retold is not None:
            return self._retell(retold)
        truncation = to_model.item_truncate(item_id, audio_end_ms, self._desk.new_id())
        return self._desk.to_model(truncation)

    def _is_cut(self, response_id: str, item_id: str) -> bool:
        return response_id == self._cut_response or item_id in self._cut_items

    def _open_item(self, item_id: str) -> None:
        self._sound_item = item_id
        self._model_spoke(item_id)
        if self.turns.waiting or not self._heard_first:
            self.turns.answered(self._desk.now)
            self.downlink.watch_first_sound()

    def _too_long(self, event: model.AudioDelta) -> None:
        """More sound than is played in ten minutes: enough of this answer."""
        self._cut_response = event.response_id
        self._note(events.AudioDropped("unplayed", self.downlink.ms_of(event.delta)))
        cancel = to_model.response_cancel(self._desk.new_id(), event.response_id)
        self._desk.to_model(cancel)

    # --- The line, as the conversation asks of it ---

    def _can_be_heard(self) -> bool:
        return self._frame_at is not None

    def _speaking(self) -> bool:
        return self.downlink.speaking(self._desk.now) and not self._dialling()

    def _all_heard(self) -> bool:
        return self.downlink.settled()

    def _spoken_at(self, audio_ms: float) -> float | None:
        return self.uplink.spoken_at(audio_ms)

    def _cut(self) -> tuple[str, int] | None:
        if self._dialling():
            # What was begun is dialled to its end: half a number is a wrong one.
            self._cut_response = self.responses.active_id
            return None
        cut = self._cut_sound()
        if self._tones is not None:
            self._dialled(prompts.NOT_SENT, "cancelled")
        return cut

    def _cut_sound(self) -> tuple[str, int] | None:
        playing = self.downlink.ledger.playing(self._desk.now)
        self._cut_items.extend(self.downlink.ledger.item_ids())
        for unheard in self.downlink.ledger.unheard(self._desk.now):
            self.memory.cut(unheard.item_id, unheard.audio_end_ms)
        messages, truncations = self.downlink.cut(self._desk.now)
        self._send(messages)
        for cut in truncations:
            if self._tones is None or cut.item_id != self._tones.item_id:
                self._truncate(cut.item_id, cut.audio_end_ms)
        self._cut_response = self.responses.active_id
        if playing is None:
            return None
        return playing.item_id, truncations[0].audio_end_ms if truncations else 0

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.MEDIA:
            self._watch_media()
        else:
            super()._on_timer(timer)

    def _watch_media(self) -> None:
        # Set, and compared with, the very same sum: a difference may fall short of it for ever.
        dead_at = (self._frame_at or 0.0) + limits.call.MEDIA_SILENCE_MAX_S
        if self._desk.now < dead_at:
            self._look_at(dead_at)
        elif self._desk.now > self._looks_at + limits.call.TICK_LATE_MAX_S:
            # It is we who slept: what came meanwhile lies unread.
            self._look_at(self._desk.now + limits.call.TICK_LATE_MAX_S)
        else:
            self._end(Ending.MEDIA_STALLED)

    def _look_at(self, at: float) -> None:
        self._looks_at = at
        self._desk.timers.set(Timer.MEDIA, at)

    def _settle(self) -> None:
        super()._settle()
        self._send(self._keep_company())
        self._play_on()

    def _mid_sound(self) -> bool:
        return self._floor.model and self._speaking()

    def _play_on(self) -> None:
        self._send(self.downlink.pump(self._desk.now))
        for cause, gap_s in self.downlink.take_under_runs():
            self._note(events.PlaybackUnderRun(cause, gap_s))
