"""A call whose sound never passes through us: the server plays and hears, we steer.

The sideband carries the same events as any session, but no sound. Who holds the floor is told by
`output_audio_buffer.*`; truncation is the server's own doing. Its loss does not end the call, and
the call's end looks like its loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.dialogue.turn_taking import Conversation
from gateway.call.endings import Ending
from gateway.call.responses import STOPGAPS, UNSEEN, ResponseRequest
from gateway.call.snapshot import CallSnapshot
from gateway.call.state_machines import CallPhase, LinkState, step_link
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class SipCall(Conversation):
    """Begins when the webhook came in; `CallAccepted` is the caller's arrival."""

    _inconsequential = frozenset()  # the words are all that tells of the sound

    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        self._unheard: dict[str, str] = {}
        """Responses that have a voice and were not played to their end, with their items."""
        self._playing: str | None = None
        self._playing_since = 0.0
        self._heard_first = False
        self._session_began_at: float | None = None
        self._attached_at: float | None = None
        self._losses = 0
        """Sidebands in a row that did not hold."""
        super().__init__(agent, session, new_id, now)
        self._desk.wake(Timer.READY, limits.sip.SIDEBAND_MAX_S)

    def _table(self) -> dict[type, Callable[[Any], None]]:
        table = super()._table() | {
            inputs.CallAccepted: self._on_accepted,
            inputs.ModelOpened: self._on_opened,
            inputs.CallGone: self._on_call_gone,
            model.PlaybackStarted: self._on_playback_started,
            model.PlaybackStopped: self._on_playback_stopped,
            model.PlaybackCleared: self._on_playback_cleared,
            model.DtmfReceived: self._on_dtmf,
        }
        # The session was configured by the accept, and lives as long as its leg.
        del table[model.SessionCreated], table[model.SessionUpdated]
        return table

    def resume(self, state: CallSnapshot) -> None:
        """The session has gone on without us: nobody is greeted, and nothing said again."""
        super().resume(state)
        self._opened, self.opening = True, None

    # --- The leg and the sideband ---

    def _on_accepted(self, _event: inputs.CallAccepted) -> None:
        if self.life is CallPhase.EXPECTED:
            self._arrive()
            self._desk.wake(Timer.READY, limits.sip.SIDEBAND_MAX_S)

    def _on_opened(self, _event: inputs.ModelOpened) -> None:
        if self.life is CallPhase.EXPECTED or self.link is LinkState.READY:
            return
        if self.link is LinkState.LOST:
            self.link = step_link(self.link, LinkState.CONNECTING)
        self.link = step_link(self.link, LinkState.READY)
        self._desk.timers.clear(Timer.READY)
        now, again = self._desk.now, self._attached_at is not None
        since = now if self._arrived_at is None else self._arrived_at
        self._note(events.SidebandConnected(now - since, again=again))
        self._attached_at = now
        if self._unheard:
            self._goodbye_within(limits.call.GOODBYE_MAX_S)
        for call_id, output in self._left_unanswered:
            self._output(call_id, output)
        if self._left_unanswered and not again:  # whoever asked for these is gone
            self._want(ResponseRequest("tool_output", any_will_do=True))
        self._left_unanswered = []
        self._on_ready()

    def _output(self, call_id: str, output: str) -> None:
        super()._output(call_id, output)
        if self.link is not LinkState.READY:
            self._left_unanswered.append((call_id, output))  # the same session waits for it

    def _on_model_lost(self, event: inputs.ModelLost) -> None:
        """The call goes on without us for a moment: what we knew of its state is void."""
        held_s = self._desk.now - (self._attached_at or 0.0)
        self._losses = 0 if held_s >= limits.sip.SIDEBAND_STEADY_S else self._losses + 1
        if self.link is not LinkState.READY or self._losses > limits.sip.SIDEBAND_LOSSES_MAX:
            ending = Ending.MODEL_REFUSED if event.refused else Ending.MODEL_LOST
            return self._without_sideband(ending, event.reason)
        self.link = step_link(self.link, LinkState.LOST)
        self._lose_calls()  # they go on, unseen; requests for approval still wait
        self.responses.restart()  # what was asked for may be heard; what waits was told to nobody
        self.responses.forget(*STOPGAPS)
        self.turns.abandon()
        self._forget_speech()
        # A goodbye that was being said is still to be heard, though nobody may tell when it was.
        unheard = self.life is CallPhase.GOODBYE and bool(self._unheard)
        self._unheard = {UNSEEN: ""} if unheard else {}
        self._playing = None
        self._desk.timers.clear(Timer.RESPONSE, Timer.CONFIRM, Timer.NUDGE, Timer.IDLE)
        self._desk.wake(Timer.READY, limits.sip.SIDEBAND_MAX_S)
        return self._desk.put(do.ReattachSideband())

    def _without_sideband(self, ending: Ending, reason: str) -> None:
        """It cannot be had. What was decided before is carried out all the same."""
        self._desk.timers.clear(Timer.READY)
        if self.life is CallPhase.GOODBYE:
            self._leave(reason)
        elif self.life is not CallPhase.LEAVING:
            self._end(ending, reason)

    def _on_call_gone(self, _event: inputs.CallGone) -> None:
        self._gone()

    def _renew(self, reason: str, ending: Ending = Ending.MODEL_LOST) -> None:
        """A session that fails takes its leg with it."""
        self._lose_model(ending, reason)

    def _on_ready(self) -> None:
        self._greet()

    def _watch_server(self) -> None:
        """A sideband that is quiet is not a dead call."""

    def _say_again(self, since_ms: float) -> None:
        """The sound does not pass through us."""

    def _let_hear(self) -> None:
        """Nor is any held."""

    def _break_off(self) -> None:
        """What the server plays is its own business."""

    # --- Who speaks ---

    def _on_transcript_delta(self, event: model.TranscriptDelta) -> None:
        super()._on_transcript_delta(event)
        self._progress()
        if event.response_id not in self._unheard:
            self._model_spoke(event.item_id)
            self.turns.answered(self._desk.now)
        self._unheard[event.response_id] = event.item_id

    def _on_playback_started(self, event: model.PlaybackStarted) -> None:
        now = self._desk.now
        if self._playing is not None and self._playing != event.response_id:
            self._unheard.pop(self._playing, None)  # one after the other
        self._unheard.pop(UNSEEN, None)
        self._unheard.setdefault(event.response_id, "")
        self._playing, self._playing_since = event.response_id, now
        if self.life is CallPhase.GOODBYE:
            self._goodbye_within(limits.sip.GOODBYE_MAX_S)
        if not self._heard_first and self._arrived_at is not None:
            self._heard_first = True
            self._note(events.FirstAudioSent(now - self._announced_at, now - self._arrived_at))
        self.turns.answered(now)
        measured = self.turns.heard(now, now)
        if measured is not None:
            self._note(measured)

    def _on_playback_stopped(self, event: model.PlaybackStopped) -> None:
        self._unheard.pop(event.response_id, None)
        self._unheard.pop(UNSEEN, None)
        if self._playing == event.response_id:
            self._playing = None

    def _on_playback_cleared(self, _event: model.PlaybackCleared) -> None:
        """The buffer is empty: what waited in it behind the sentence is gone too."""
        self._unheard.clear()
        self._playing = None

    def _on_response_done(self, event: model.ResponseDone) -> None:
        response = event.response
        if response.status in ("cancelled", "failed") and response.id != self._playing:
            self._unheard.pop(response.id, None)  # it will never be played
        super()._on_response_done(event)

    def _on_speech_stopped(self, event: model.SpeechStopped) -> None:
        self._tie(event.audio_end_ms)
        super()._on_speech_stopped(event)

    def _tie(self, audio_ms: int) -> None:
        """The session's time line tied to our clock by the event that took the shortest way."""
        began = self._desk.now - audio_ms / 1000
        known = self._session_began_at
        self._session_began_at = began if known is None else min(known, began)

    def _on_dtmf(self, event: model.DtmfReceived) -> None:
        # `received_at` has whole seconds only.
        self._on_key(event.event, self._desk.now)

    def _hush(self) -> None:
        if self._unheard:
            self._empty()

    # --- The line, as the conversation asks of it ---

    def _can_be_heard(self) -> bool:
        return self.arrived

    def _speaking(self) -> bool:
        return bool(self._unheard)

    def _all_heard(self) -> bool:
        return not self._unheard

    def _spoken_at(self, audio_ms: float) -> float | None:
        if self._session_began_at is None:
            return None
        return self._session_began_at + audio_ms / 1000

    def _cancel(self, response_id: str) -> None:
        """What was made of it so far would still be played."""
        super()._cancel(response_id)
        self._empty()

    def _cut(self) -> tuple[str, int] | None:
        """The server truncates by itself what it plays."""
        if self.agent.client_turns and self.responses.active_id is None and self._unheard:
            self._empty()
        item_id = self._unheard.get(self._playing or "")
        if not item_id:
            return None
        return item_id, round((self._desk.now - self._playing_since) * 1000)

    def _empty(self) -> None:
        self._desk.to_model(to_model.output_clear(self._desk.new_id()))

    # --- Coming to an end ---

    def _depart(self, leaving: EndPlan) -> None:
        super()._depart(leaving)
        if self._departure is leaving and leaving.call_id is not None and self._playing:
            self._goodbye_within(limits.sip.GOODBYE_MAX_S)  # it is being said already

    def _settle(self) -> None:
        """While the sideband is being had again nobody knows what the caller hears."""
        if Timer.READY not in self._desk.timers:
            super()._settle()

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.READY and self.arrived:
            self._without_sideband(Ending.MODEL_LOST, "no_sideband")
        else:
            super()._on_timer(timer)
