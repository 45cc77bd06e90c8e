"""The conversation of a call: what the model's session tells, and what follows from it.

Who speaks, who interrupts, what an error means, which tool was called. Subclasses know the
caller's end of the line: `media.py` where the sound passes through us, `sip.py` where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.responses import STOPGAPS, UNASKED, ResponseRequest
from gateway.call.session import model_errors, session_audio
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.snapshot import CallSnapshot
from gateway.call.state_machines import CallPhase, LinkState, step_phase
from gateway.call.timers import Timer
from gateway.call.tools.builtin_tools import Chores
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class Conversation(Chores):
    """One call."""

    _inconsequential = frozenset({model.TranscriptDelta})

    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, session, new_id, now)
        self._vad_silence_s = session_audio.vad_silence_s(session)
        self._transcriber = session_audio.transcriber(session)
        self._server_answers = session_audio.server_answers(session)
        self._server_interrupts = session_audio.server_interrupts(session)
        self._speech_began_ms = 0
        self._left_unanswered: list[tuple[str, str]] = []
        """Function calls of a process that is gone, and what is said of them instead."""

    def _table(self) -> dict[type, Callable[[Any], None]]:
        return {
            **self._leaving_table(),
            **self._link_table(),
            **self._approval_table(),
            **self._tool_table(),
            **self._sight_table(),
            **self._hosted_table(),
            **self._detection_table(),
            inputs.HandOverRequested: self._on_hand_over_asked,
            model.SpeechStarted: self._on_speech_started,
            model.SpeechStopped: self._on_speech_stopped,
            model.Committed: self._on_committed,
            model.CallerTranscriptDone: self._on_caller_transcript,
            model.CallerTranscriptFailed: self._on_caller_not_transcribed,
            model.TranscriptDelta: self._on_transcript_delta,
            model.TranscriptDone: self._on_transcript,
            model.ResponseCreated: self._on_response_created,
            model.ResponseDone: self._on_response_done,
            model.RateLimitsUpdated: self._on_rate_limits,
        }

    # --- The caller's turn ---

    def _on_speech_started(self, event: model.SpeechStarted) -> None:
        if self.link is not LinkState.READY:
            return None
        self._caller_speaking = self.responses.held = True
        self.responses.forget(*STOPGAPS)
        self._caller_turns.started(event.audio_start_ms, event.item_id)
        self._keep_turn()
        self._floor.since(self._lately(event.audio_start_ms))
        self._silence.caller_spoke()
        self._speech_began()
        if not self.responses.busy:
            self._desk.timers.clear(Timer.RESPONSE)
        if not self._model_has_floor():
            self.turns.abandon()
            return self._stay()
        if self.agent.client_turns:
            return self._weigh_speech(event)
        return self._barge_in(event.audio_start_ms) if self._server_interrupts else self._stay()

    def _weigh_speech(self, event: model.SpeechStarted) -> None:
        """He speaks while the model does: whether that is an interruption is for us to say."""
        if self._desk.now < self._greeting_protected_until:
            return self._note(events.BargeInIgnored("greeting"))
        if not self.agent.barge_in.min_speech_ms:
            return self._barge_in(event.audio_start_ms)
        self._brief = True
        self._speech_began_ms = event.audio_start_ms
        return self._desk.wake(Timer.CONFIRM, self.agent.barge_in.min_speech_ms / 1000)

    def _on_speech_stopped(self, event: model.SpeechStopped) -> None:
        self._fall_silent()
        self._caller_turns.stopped(event.audio_end_ms)
        self._floor.since(self._stopped_at(event.audio_end_ms))
        if self._brief and self._speaking():
            return self._note(events.BargeInIgnored("short"))
        # Short, but not into the model's sentence: an answer, or more of his turn.
        self._brief = False
        self._stay()
        self.turns.stopped(self._stopped_at(event.audio_end_ms), self._desk.now)
        self._spoke_since_caller = False
        return self._expect_answer()

    def _fall_silent(self) -> None:
        if self._caller_speaking:
            self.responses.begins()  # the server's own: what comes to it from now on comes too late
        self._caller_speaking = self.responses.held = self._broke_in = False
        self._desk.timers.clear(Timer.CONFIRM)

    def _expect_answer(self) -> None:
        """The server's own is on its way: one asked for now would be refused, or be a second."""
        if self._server_answers and not self.responses.busy:
            self.responses.held = True
            self._desk.wake(Timer.RESPONSE, limits.model.RESPONSE_START_MAX_S)

    def _stopped_at(self, audio_end_ms: int) -> float:
        """When the caller's last speech was.

        `audio_end_ms` "includes the min_silence_duration_ms configured in the session" (server
        VAD). A server that gives the end of the speech itself shows by the clock: it cannot know
        before that silence has passed.
        """
        now, spoken_at = self._desk.now, self._lately(audio_end_ms)
        if spoken_at is None:
            return now
        return (
            spoken_at - self._vad_silence_s if spoken_at > now - self._vad_silence_s else spoken_at
        )

    def _lately(self, audio_ms: int) -> float | None:
        """`_spoken_at`, unless the model means a moment that it cannot mean."""
        at = self._spoken_at(audio_ms)
        old = at is not None and at < self._desk.now - limits.call.SPEECH_AGE_MAX_S
        return None if old else at

    def _confirmed(self) -> None:
        self._brief = False
        self._barge_in(self._speech_began_ms)

    def _on_committed(self, event: model.Committed) -> None:
        """The caller's turn is over: an answer comes by itself, or is asked for."""
        self._fall_silent()  # he has, even if we could not read when
        if self._brief:
            # "Uh-huh" is not a turn: the model goes on as if it had not been said.
            self._brief = False
            self._caller_turns.close()
            self._keep_turn()
            return self._desk.to_model(to_model.item_delete(event.item_id, self._desk.new_id()))
        self.memory.caller_spoke(event.item_id)
        self._turn_taken()
        if self.agent.client_turns:
            return self._want(UNASKED)
        if self._server_answers and not self._server_interrupts and self.responses.busy:
            return self._answer_next()
        return self._expect_answer()

    def _answer_next(self) -> None:
        """The server's own "may fail" to be made while one runs: unless it is, we ask for it."""
        self._want(UNASKED)
        if not self.responses.awaiting:
            self.responses.begins()

    def _barge_in(self, audio_start_ms: int) -> None:
        self._broke_in = True
        active = self.responses.active_id
        if self.agent.client_turns and active is not None:
            self._cancel(active)
        cut = self._cut()
        self.turns.abandon()
        if cut is not None:
            self.barge_ins += 1
            began = self._lately(audio_start_ms)
            reaction_s = max(0.0, self._desk.now - began) if began is not None else 0.0
            self._note(events.BargedIn(*cut, reaction_s))
        self._cut_off_tools()
        self._stay()

    def _on_caller_transcript(self, event: model.CallerTranscriptDone) -> None:
        self.memory.caller_said(event.item_id, event.transcript)
        self._caller_turns.understood(event.item_id, speaking=self._caller_speaking)
        self._keep_turn()
        self._note(events.TranscriptLine("caller", event.transcript, event.item_id))
        if event.usage is not None:
            self._note(events.TranscriptionCounted(self._transcriber, event.usage))

    def _on_caller_not_transcribed(self, event: model.CallerTranscriptFailed) -> None:
        """The model has heard him all the same."""
        self._caller_turns.understood(event.item_id, speaking=self._caller_speaking)
        self._keep_turn()
        self._note(events.ModelErrorReported(ModelErrorKind.BENIGN, "transcription_failed"))

    def _keep_turn(self) -> None:
        """Whether the caller's sound must be kept is known anew."""

    # --- The model's turn ---

    def _on_response_created(self, event: model.ResponseCreated) -> None:
        self.responses.created(event.response.id)
        self._heard_by_model()
        self._answer_item = None
        self.responses.held = self._caller_speaking
        self._progress()
        if self._broke_in or self._typing or self._talks_to_machine():
            # It was asked for before he spoke, and would talk over him.
            self._cancel(event.response.id)
            self._cut()

    def _progress(self) -> None:
        """The response goes on."""
        if self.responses.active_id is not None:
            self._desk.wake(Timer.RESPONSE, limits.model.RESPONSE_STALL_MAX_S)

    def _model_spoke(self, item_id: str) -> None:
        """A new sound of the model's began."""
        self._answer_item = item_id
        self._spoke_since_caller = True
        self._retries = 0

    def _on_transcript_delta(self, event: model.TranscriptDelta) -> None:
        self.memory.model_says(event.item_id, event.delta)

    def _on_transcript(self, event: model.TranscriptDone) -> None:
        self.memory.model_said(event.item_id, event.transcript)
        self._note(events.TranscriptLine("model", event.transcript, event.item_id))

    def _on_response_done(self, event: model.ResponseDone) -> None:
        response = event.response
        want = self.responses.done(response.id)
        if want is not None:
            self._desk.timers.clear(Timer.RESPONSE)
            self._answer_item = None
            if not self._transcriber and not self._caller_speaking:
                self._caller_turns.close()
                self._keep_turn()
        if response.usage is not None:
            self.tokens += response.usage.total_tokens
            self._note(events.UsageCounted(self.agent.model, response.usage))
        if response.status == "failed":
            self._failed(response, want)
        elif response.status != "cancelled":
            self._run_calls(response)

    def _failed(self, response: model.Response, want: ResponseRequest | None) -> None:
        details = response.status_details
        error = (details.error if details else None) or model.ErrorBody()
        fault, code = model_errors.sort(error), model_errors.code_of(error)
        self._note(events.ModelErrorReported(fault, code))
        if fault is ModelErrorKind.FATAL:
            self._lose_model(Ending.MODEL_REFUSED, code)
        elif want is not None:
            self._retry(want)

    def _on_rate_limits(self, event: model.RateLimitsUpdated) -> None:
        self._note(events.RateLimitsSeen(tuple(event.rate_limits)))

    # --- To another process ---

    def _on_hand_over_asked(self, event: inputs.HandOverRequested) -> None:
        self._handing_over = True
        if event.now and self.life in (CallPhase.TALKING, CallPhase.GOODBYE):
            self._hand_over()
        elif Timer.HAND_OVER not in self._desk.timers:
            self._desk.wake(Timer.HAND_OVER, limits.model.HAND_OVER_QUIET_MAX_S)

    def _hand_over(self) -> None:
        self.life = step_phase(self.life, CallPhase.LEAVING)
        self._departure = EndPlan(Ending.DRAINED)
        self._desk.timers.clear(
            Timer.HAND_OVER, Timer.GOODBYE, Timer.NUDGE, Timer.IDLE, Timer.LENGTH, Timer.WARN
        )
        self._desk.wake(Timer.TRANSFER, limits.call.TRANSFER_MAX_S)
        self._desk.put(do.ReleaseCall())

    def state(self) -> CallSnapshot:
        """All that another process needs to go on; who speaks with whom is not known here."""
        arrived, now = self._arrived_at, self._desk.now
        return CallSnapshot(
            agent=self.agent.name,
            path=self.agent.path,
            memos=self.memory.memos,
            arrived=arrived is not None or self._talked_s > 0,
            greeted=self._greeted,
            last_words=self.memory.last_words,
            resumes=self.resumes,
            tokens=self.tokens,
            barge_ins=self.barge_ins,
            tools_called=self.tools_called,
            waits_s=self.turns.waits_s,
            talked_s=self._talked_s + (now - arrived if arrived is not None else 0.0),
            streams=self.streams,
        )

    def resume(self, state: CallSnapshot) -> None:
        """Before anything happens: goes on where another connection, or process, left off."""
        self.resumed = True
        self.memory = ConversationHistory(state.memos)
        self._left_unanswered = self.memory.interrupted(prompts.OF_PENDING_CALLS, prompts.NOT_KNOWN)
        self.resumes, self.streams = state.resumes, state.streams
        self.tokens, self.barge_ins = state.tokens, state.barge_ins
        self.tools_called, self.turns.waits_s = state.tools_called, state.waits_s
        self._greeted, self._talked_s = state.greeted, state.talked_s
        if state.greeted and not state.silently:
            self.opening = prompts.RESUMED
