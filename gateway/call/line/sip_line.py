"""A line whose sound never passes through us: the model's server plays and hears.

The sideband carries the same events as any session, but no sound. Who holds the floor is reported
by `output_audio_buffer.*`; truncation is the server's own doing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from gateway import limits
from gateway.call import events, inputs
from gateway.call.context import CallContext, Out
from gateway.call.dialogue.turn_latency import TurnLatency
from gateway.call.line.line_counters import LineCounters
from gateway.call.part import CallPart
from gateway.call.responses import UNSEEN
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.errors import BugError
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class SipLine(CallPart):
    """The caller's SIP leg, as far as the sideband tells of it."""

    # The model's words are not among these: they are all that tells of its sound.
    written_only: frozenset[type] = frozenset({model.CallerTranscriptDelta})
    of_sound: frozenset[type] = frozenset()
    ended_event = inputs.SipCallEnded
    key_event = model.DtmfReceived
    can_hold = False
    tap: None = None
    """No sound passes through us: a recording is the carrier's."""

    def __init__(self, ctx: CallContext) -> None:
        self._ctx = ctx
        self.latency = TurnLatency(ctx.tally.waits_s)
        self._unheard: dict[str, str] = {}
        """Responses that have a voice and were not played to their end, with their items."""
        self._due: dict[str, float] = {}
        """When each of them must have been played; that it was may never be reported."""
        self._done: OrderedDict[str, float] = OrderedDict()
        """Responses that are done lately, and how long their sound takes at most."""
        self._playing: str | None = None
        self._playing_since: float
        self._heard_first = False
        self._session_began_at: float | None = None
        self.handlers = {
            model.TranscriptDelta: self._on_transcript_delta,
            model.PlaybackStarted: self._on_playback_started,
            model.PlaybackStopped: self._on_playback_stopped,
            model.PlaybackCleared: self._on_playback_cleared,
            model.ResponseDone: self._on_response_done,
            model.SpeechStopped: self._on_speech_stopped,
        }
        self.timers = {Timer.PLAYBACK: self._playback_without_end}

    # --- Who speaks ---

    def _on_transcript_delta(self, event: model.TranscriptDelta) -> None:
        self._ctx.response_progressed()
        if event.response_id not in self._unheard:
            if event.response_id in self._done:
                return  # it came late: what it belongs to may have been played to its end
            self._ctx.answer.spoke(event.item_id)
            self.latency.answered(self._ctx.now)
            self._await_end(event.response_id, limits.sip.PLAYBACK_MAX_S)
        self._unheard[event.response_id] = event.item_id

    def _on_playback_started(self, event: model.PlaybackStarted) -> None:
        ctx, now = self._ctx, self._ctx.now
        if self._playing is not None and self._playing != event.response_id:
            self._forget(self._playing)  # the server plays one after the other
        self._unheard.pop(UNSEEN, None)
        self._unheard.setdefault(event.response_id, "")
        if event.response_id not in self._due:
            longest_s = self._done.get(event.response_id, limits.sip.PLAYBACK_MAX_S)
            self._await_end(event.response_id, longest_s)
        self._playing, self._playing_since = event.response_id, now
        if ctx.answer.item_id is None and event.response_id == ctx.responses.active_id:
            ctx.answer.spoke("")  # it sounds, whatever its transcript and its output say
        if ctx.phase is CallPhase.GOODBYE:
            ctx.extend_goodbye(limits.sip.GOODBYE_MAX_S)
        if not self._heard_first and ctx.arrived_at is not None:
            self._heard_first = True
            ctx.put(events.FirstAudioSent(now - ctx.announced_at, now - ctx.arrived_at))
        self.latency.answered(now)
        measured = self.latency.heard(now, now)
        if measured is not None:
            ctx.put(measured)

    def _on_playback_stopped(self, event: model.PlaybackStopped) -> None:
        self._forget(event.response_id)
        self._unheard.pop(UNSEEN, None)
        if self._playing == event.response_id:
            self._playing = None
        if event.response_id == self._ctx.responses.active_id:
            self._ctx.response_sounded(0.0)

    def _on_playback_cleared(self, _event: model.PlaybackCleared) -> None:
        """Empty the buffer: what waited in it behind the sentence is gone too."""
        self._unheard.clear()
        self._due.clear()
        self._playing = None

    def _on_response_done(self, event: model.ResponseDone) -> None:
        response = event.response
        self._done[response.id] = _sound_s(response)
        if len(self._done) > limits.sip.RESPONSES_KEPT_MAX:
            self._done.popitem(last=False)
        if response.status in ("cancelled", "failed") and response.id != self._playing:
            self._forget(response.id)  # it will never be played
        elif response.id in self._unheard:
            self._await_end(response.id, self._done[response.id])

    def _forget(self, response_id: str) -> None:
        self._unheard.pop(response_id, None)
        self._due.pop(response_id, None)

    def _await_end(self, response_id: str, after_s: float) -> None:
        """Expect the end of a response so long after those that are played before it."""
        others = [at for one, at in self._due.items() if one in self._done and one != response_id]
        self._due[response_id] = max(self._ctx.now, *others, 0.0) + after_s
        self._ctx.timers.set(Timer.PLAYBACK, min(self._due.values()))

    def _playback_without_end(self) -> None:
        """Take for heard what must have been: else nobody would ask whether anyone is there."""
        ctx = self._ctx
        overdue = [one for one, at in self._due.items() if at <= ctx.now]
        for response_id in overdue:
            self._forget(response_id)
            if self._playing == response_id:
                self._playing = None
        if overdue:
            ctx.put(events.ModelErrorReported(ModelErrorKind.RECOVERABLE, "playback_without_end"))
        if self._due:
            ctx.timers.set(Timer.PLAYBACK, min(self._due.values()))

    def _on_speech_stopped(self, event: model.SpeechStopped) -> None:
        """Tie the session's time line to our clock by the event that took the shortest way."""
        began = self._ctx.now - event.audio_end_ms / 1000
        known = self._session_began_at
        self._session_began_at = began if known is None else min(known, began)

    def sideband_lost(self) -> None:
        """Forget what was known of the playback.

        A goodbye that was being said is still to be heard, though nobody may report when it was.
        """
        unheard = self._ctx.phase is CallPhase.GOODBYE and bool(self._unheard)
        self._unheard = {UNSEEN: ""} if unheard else {}
        self._due.clear()
        self._playing = None

    # --- What the dialogue asks of the line ---

    @property
    def goodbye_max_s(self) -> float:
        """How long a goodbye may take that is being said already."""
        return limits.sip.GOODBYE_MAX_S if self._playing else self._ctx.patience.goodbye_max_s

    @property
    def unheard(self) -> int:
        """How many responses were not played to their end."""
        return len(self._unheard)

    def can_be_heard(self) -> bool:
        """Return whether sound reaches the caller."""
        return self._ctx.arrived_at is not None

    def speaking(self) -> bool:
        """Return whether the caller hears the model, or is about to."""
        return bool(self._unheard)

    def all_heard(self) -> bool:
        """Return whether every sound of the model so far has been played to the caller."""
        return not self._unheard

    def spoken_at(self, audio_ms: float) -> float | None:
        """Return when the caller spoke what stands at `audio_ms` of the session's audio."""
        if self._session_began_at is None:
            return None
        return self._session_began_at + audio_ms / 1000

    def owns(self, event: object) -> bool:  # noqa: ARG002 - a sideband is of one call only
        return True

    def key_of(self, event: model.DtmfReceived) -> tuple[str, float]:
        """Return a key and when it was pressed: `received_at` has whole seconds only."""
        return event.event, self._ctx.now

    def cancel_response(self, response_id: str) -> None:
        """Cancel a response, and what was made of it so far, which would still be played."""
        self._ctx.cancel_response(response_id)
        self._clear_output()

    def stop_playback(self) -> None:
        """Stop an answer that is complete and still being played."""
        if self._unheard:
            self._clear_output()

    def cut(self) -> tuple[str, int] | None:
        """Return the item that was cut and its ms heard: the server truncates what it plays."""
        ctx = self._ctx
        if ctx.agent.client_turns and ctx.responses.active_id is None:
            self.stop_playback()
        item_id = self._unheard.get(self._playing or "")
        if not item_id:
            return None
        return item_id, round((ctx.now - self._playing_since) * 1000)

    def _clear_output(self) -> None:
        self._ctx.to_model(to_model.output_clear(self._ctx.new_id()))

    # --- What only a media stream has ---

    def pass_up(self, frame: caller.Media, now: float) -> bytes | None:  # noqa: ARG002
        return None

    def hear(self, frame: caller.Media, now: float) -> Sequence[Out]:  # noqa: ARG002
        return ()

    def mid_sound(self) -> bool:
        return False

    def play_on(self) -> None:
        """No sound goes out from here."""

    def due(self) -> float | None:
        return None

    def can_dial(self) -> bool:
        return False

    def dial(self, call_id: str, digits: str) -> None:  # noqa: ARG002
        raise BugError("no tones can be put into a SIP leg")

    def retain_turn(self, whole: bool) -> None:
        """No sound of the caller's is kept here."""

    def retained_since(self, since_ms: float) -> bytes:  # noqa: ARG002
        return b""

    def counters(self, now: float) -> LineCounters | None:  # noqa: ARG002
        return None


def _sound_s(response: model.Response) -> float:
    """Return how long the sound of a response takes at most."""
    details = response.usage.output_token_details if response.usage is not None else None
    tokens = details.audio_tokens if details is not None else 0
    if not tokens:
        return limits.sip.PLAYBACK_MAX_S
    return min(tokens * limits.sip.AUDIO_TOKEN_MAX_S, limits.sip.PLAYBACK_MAX_S) + (
        limits.sip.PLAYBACK_SPARE_S
    )
