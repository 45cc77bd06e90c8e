"""Turns of the caller and of the model: who speaks, who interrupts, and what follows from it."""

from __future__ import annotations

from gateway import limits
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue.dtmf_input import DtmfInput
from gateway.call.dialogue.floor import Floor
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.dialogue.greeting import Greeting
from gateway.call.dialogue.response_outcome import ResponseOutcome
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import STOPGAPS, UNASKED
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.session.model_link import ModelLink
from gateway.call.state_machines import LinkState
from gateway.call.timers import Timer
from gateway.call.tools.function_calls import FunctionCalls
from gateway.call.tools.hosted_mcp import HostedMcp
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class TurnTaking(CallPart):
    """The dialogue as the session's events tell it."""

    def __init__(
        self,
        ctx: CallContext,
        line: CallerLine,
        link: ModelLink,
        floor: Floor,
        greeting: Greeting,
        goodbye: Goodbye,
        functions: FunctionCalls,
        hosted: HostedMcp,
        keys: DtmfInput,
        outcome: ResponseOutcome,
    ) -> None:
        self._ctx, self._line, self._floor = ctx, line, floor
        self._greeting, self._goodbye = greeting, goodbye
        self._functions, self._hosted, self._keys, self._outcome = functions, hosted, keys, outcome
        self._link, self._window = link, link.replay_window
        self._speech_began_ms: int
        """Where on the line the speech began that is being weighed."""
        self._listening = True
        self._commits = False
        """Whether a commit of ours is on its way."""
        self.handlers = {
            model.SpeechStarted: self._on_speech_started,
            model.SpeechStopped: self._on_speech_stopped,
            model.Committed: self._on_committed,
            model.CallerTranscriptDelta: self._on_caller_words,
            model.CallerTranscriptDone: self._on_caller_transcript,
            model.CallerTranscriptFailed: self._on_caller_not_transcribed,
            model.TranscriptDelta: self._on_transcript_delta,
            model.TranscriptDone: self._on_transcript,
            model.ResponseCreated: self._on_response_created,
            model.ResponseDone: self._on_response_done,
            model.RateLimitsUpdated: self._on_rate_limits,
        }
        self.timers = {Timer.CONFIRM: self._confirmed, Timer.SPEECH: self._speech_without_end}

    def stop_listening(self) -> None:
        """Take nothing for a turn from now on, not even what is on its way already."""
        self._listening = False
        self._fall_silent()

    # --- The caller's turn ---

    def _on_speech_started(self, event: model.SpeechStarted) -> None:
        ctx = self._ctx
        if ctx.link is not LinkState.READY or not self._listening:
            return None
        ctx.caller.starts_speaking()
        self._commits = False
        if Timer.SPEECH not in ctx.timers:
            ctx.wake(Timer.SPEECH, limits.call.SPEECH_MAX_S)
        ctx.responses.forget(*STOPGAPS)
        self._window.started(event.audio_start_ms, event.item_id)
        self._line.retain_turn(self._window.open)
        self._floor.changed_at(self._lately(event.audio_start_ms))
        if not ctx.caller.doubted:
            ctx.caller_spoke()
        self._keys.speech_began()
        if not ctx.responses.busy:
            ctx.timers.clear(Timer.RESPONSE)
        if not self._floor.model_has_floor():
            self._line.latency.abandon()
            return self._goodbye.caller_adds()
        if ctx.agent.client_turns:
            return self._weigh_speech(event)
        if self._link.rules.server_interrupts:
            return self._barge_in(event.audio_start_ms)
        return self._goodbye.caller_adds()

    def _weigh_speech(self, event: model.SpeechStarted) -> None:
        """Decide whether speech into the model's sentence is an interruption."""
        ctx = self._ctx
        if self._greeting.protected:
            return ctx.put(events.BargeInIgnored("greeting"))
        if not ctx.agent.barge_in.min_speech_ms:
            return self._barge_in(event.audio_start_ms)
        ctx.caller.brief = True
        self._speech_began_ms = event.audio_start_ms
        return ctx.wake(Timer.CONFIRM, ctx.agent.barge_in.min_speech_ms / 1000)

    def _on_speech_stopped(self, event: model.SpeechStopped) -> None:
        ctx = self._ctx
        if not self._listening:
            return None
        self._fall_silent()
        ctx.caller.doubted = False
        self._window.stopped(event.audio_end_ms)
        self._floor.changed_at(self._stopped_at(event.audio_end_ms))
        if ctx.caller.brief and self._line.speaking():
            return ctx.put(events.BargeInIgnored("short"))
        # Short, but not into the model's sentence: an answer, or more of the caller's turn.
        ctx.caller.brief = False
        self._goodbye.caller_adds()
        self._line.latency.stopped(self._stopped_at(event.audio_end_ms), ctx.now)
        ctx.answer.caller_stopped()
        return ctx.expect_response()

    def _fall_silent(self) -> None:
        self._ctx.caller.falls_silent()
        self._ctx.timers.clear(Timer.CONFIRM, Timer.SPEECH)

    def _on_caller_words(self, _event: model.CallerTranscriptDelta) -> None:
        """Give a turn more time: its words show that somebody speaks."""
        self._ctx.caller.doubted = False
        if Timer.SPEECH in self._ctx.timers:
            self._ctx.wake(Timer.SPEECH, limits.call.SPEECH_MAX_S)

    def _speech_without_end(self) -> None:
        """End a turn of which nothing but its beginning was reported: noise, or a server's fault.

        What was heard is answered, if turns of the caller are; otherwise it is dropped.
        """
        ctx = self._ctx
        ctx.put(events.ModelErrorReported(ModelErrorKind.RECOVERABLE, "speech_without_end"))
        self._fall_silent()
        ctx.caller.brief, ctx.caller.doubted = False, True
        if ctx.server_answers or ctx.agent.client_turns:
            self._commits = True
            ctx.to_model(to_model.input_commit(ctx.new_id()))
        else:
            ctx.to_model(to_model.input_clear(ctx.new_id()))
            self._window.close()
            self._line.retain_turn(self._window.open)

    def _stopped_at(self, audio_end_ms: int) -> float:
        """Return when the caller's last speech was.

        `audio_end_ms` "includes the min_silence_duration_ms configured in the session" (server
        VAD). A server that gives the end of the speech itself shows by the clock: it cannot know
        before that silence has passed.
        """
        now, silence_s = self._ctx.now, self._link.rules.vad_silence_s
        spoken_at = self._lately(audio_end_ms)
        if spoken_at is None:
            return now
        return spoken_at - silence_s if spoken_at > now - silence_s else spoken_at

    def _lately(self, audio_ms: int) -> float | None:
        """Return when the caller spoke that, unless the model means an impossible moment."""
        at = self._line.spoken_at(audio_ms)
        old = at is not None and at < self._ctx.now - limits.call.SPEECH_AGE_MAX_S
        return None if old else at

    def _confirmed(self) -> None:
        """The caller has spoken for long enough to interrupt."""
        self._ctx.caller.brief = False
        self._barge_in(self._speech_began_ms)

    def _on_committed(self, event: model.Committed) -> None:
        """The caller's turn is over: an answer comes by itself, or is asked for."""
        ctx = self._ctx
        if not self._listening:
            return None
        ours, self._commits = self._commits, False
        if not ours:
            ctx.caller.doubted = False
        self._fall_silent()  # it is over, even if we could not read when
        if ctx.caller.brief:
            # "Uh-huh" is not a turn: the model goes on as if it had not been said.
            ctx.caller.brief = False
            self._window.close()
            self._line.retain_turn(self._window.open)
            return ctx.delete_item(event.item_id)
        ctx.history.caller_spoke(event.item_id)
        self._functions.turn_taken()
        if ctx.agent.client_turns or ours:  # a client's commit makes no response
            return ctx.request(UNASKED)
        if ctx.server_answers and not self._link.rules.server_interrupts and ctx.responses.busy:
            # The server's own "may fail" to be made while one runs: unless it is, we ask for it.
            ctx.request(UNASKED)
            return None if ctx.responses.awaiting else ctx.responses.begins()
        return ctx.expect_response()

    def _barge_in(self, audio_start_ms: int) -> None:
        ctx = self._ctx
        ctx.caller.broke_in = True
        active = ctx.responses.active_id
        if ctx.agent.client_turns and active is not None:
            self._line.cancel_response(active)
        cut = self._line.cut()
        self._line.latency.abandon()
        if cut is not None:
            ctx.tally.barge_ins += 1
            began = self._lately(audio_start_ms)
            reaction_s = max(0.0, ctx.now - began) if began is not None else 0.0
            ctx.put(events.BargedIn(*cut, reaction_s))
        self._functions.cut_off()
        self._goodbye.caller_adds()

    def _on_caller_transcript(self, event: model.CallerTranscriptDone) -> None:
        ctx = self._ctx
        ctx.history.caller_said(event.item_id, event.transcript)
        self._understood(event.item_id)
        ctx.put(events.TranscriptLine("caller", event.transcript, event.item_id))
        if event.usage is not None:
            ctx.put(events.TranscriptionCounted(self._link.rules.transcriber, event.usage))

    def _on_caller_not_transcribed(self, event: model.CallerTranscriptFailed) -> None:
        """The model has heard the caller all the same."""
        self._understood(event.item_id)
        reported = events.ModelErrorReported(ModelErrorKind.BENIGN, "transcription_failed")
        self._ctx.put(reported)

    def _understood(self, item_id: str) -> None:
        if self._ctx.link is not LinkState.READY:
            return  # the session that understood is gone: the next one has to hear it, and answer
        self._window.understood(item_id, speaking=self._ctx.caller.speaking)
        self._line.retain_turn(self._window.open)

    # --- The model's turn ---

    def _on_response_created(self, event: model.ResponseCreated) -> None:
        ctx = self._ctx
        ctx.responses.created(event.response.id)
        self._hosted.response_began()
        ctx.answer.over()
        ctx.responses.deferred = ctx.caller.speaking
        ctx.response_progressed()
        # Whether it is any other than the message that is left with a machine.
        to_machine = self._goodbye.leaves_message and ctx.responses.purpose != "farewell"
        if ctx.caller.broke_in or ctx.caller.typing or to_machine:
            # It was asked for before the caller spoke, and would talk over them.
            self._line.cancel_response(event.response.id)
            self._line.cut()

    def _on_transcript_delta(self, event: model.TranscriptDelta) -> None:
        self._ctx.history.model_says(event.item_id, event.delta)

    def _on_transcript(self, event: model.TranscriptDone) -> None:
        self._ctx.history.model_said(event.item_id, event.transcript)
        self._ctx.put(events.TranscriptLine("model", event.transcript, event.item_id))

    def _on_response_done(self, event: model.ResponseDone) -> None:
        ctx, response = self._ctx, event.response
        wanted, item_id = ctx.responses.done(response.id), ctx.answer.item_id
        if wanted is not None:
            ctx.timers.clear(Timer.RESPONSE)
            ctx.answer.over()
            if not self._link.rules.transcriber and not ctx.caller.speaking:
                self._window.close()
                self._line.retain_turn(self._window.open)
        if response.usage is not None:
            ctx.tally.tokens += response.usage.total_tokens
            ctx.put(events.UsageCounted(ctx.agent.model, response.usage))
        self._outcome.judge(response, wanted, item_id)

    def _on_rate_limits(self, event: model.RateLimitsUpdated) -> None:
        self._ctx.put(events.RateLimitsSeen(tuple(event.rate_limits)))
