"""The conversation of a call: what the model's session tells, and what follows from it.

Who speaks, who interrupts, what an error means, which tool was called. Subclasses know the
caller's end of the line: `media.py` where the sound passes through us, `sip.py` where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway import limits
from gateway.agents.config import Agent
from gateway.call import commands as do
from gateway.call import departure, faults, formats, inputs, notes, wording
from gateway.call.departure import Departure
from gateway.call.endings import Ending
from gateway.call.faults import Fault
from gateway.call.life import CallLife
from gateway.call.responses import UNASKED, Want
from gateway.call.states import Life, Link, step_link
from gateway.call.timers import Timer
from gateway.call.tools import ToolDesk
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class Conversation(CallLife):
    """One call. `session` is what the agent asks of the model; `new_id` makes event ids."""

    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, new_id, now)
        self._session = session
        self._session_event: str | None = None
        self._vad_silence_s = formats.vad_silence_s(session)
        self._server_answers = formats.server_answers(session)
        self._server_interrupts = formats.server_interrupts(session)
        self._tools = ToolDesk(agent.functions)
        self._caller_turns = 0
        self._speech_began_ms = 0
        self._broke_in = False
        """The caller interrupted, and is still speaking."""

    def _table(self) -> dict[type, Callable[[Any], None]]:
        return {
            inputs.ModelLost: self._on_model_lost,
            inputs.HangUpAsked: self._on_hang_up_asked,
            inputs.PeerFault: self._on_peer_fault,
            inputs.TransferFailed: self._on_transfer_failed,
            inputs.ToolFinished: self._on_tool_finished,
            model.SessionCreated: self._on_session_created,
            model.SessionUpdated: self._on_session_updated,
            model.Error: self._on_error,
            model.SpeechStarted: self._on_speech_started,
            model.SpeechStopped: self._on_speech_stopped,
            model.Committed: self._on_committed,
            model.CallerTranscriptDone: self._on_caller_transcript,
            model.TranscriptDone: self._on_transcript,
            model.ResponseCreated: self._on_response_created,
            model.ResponseDone: self._on_response_done,
            model.RateLimitsUpdated: self._on_rate_limits,
        }

    # --- The model's link ---

    def _on_session_created(self, _event: model.SessionCreated) -> None:
        if self.link is not Link.CONNECTING:
            return
        self.link = step_link(self.link, Link.CONFIGURING)
        self._session_event = self._desk.new_id()
        self._desk.to_model(to_model.session_update(self._session, self._session_event))

    def _on_session_updated(self, event: model.SessionUpdated) -> None:
        if self.link is not Link.CONFIGURING:
            return None
        if not formats.echoes(self._session.get("audio", {}), event.session.audio):
            return self._end(Ending.MODEL_REFUSED, "audio_format")
        self.link = step_link(self.link, Link.READY)
        self._desk.timers.clear(Timer.READY)
        seconds = self._desk.now - self._announced_at
        self._note(notes.ModelReady(seconds, event.session.expires_at))
        return self._on_ready()

    def _on_model_lost(self, event: inputs.ModelLost) -> None:
        if self.link is not Link.LOST:
            ending = Ending.MODEL_REFUSED if event.refused else Ending.MODEL_LOST
            self._lose_model(ending, event.reason)

    def _lose_model(self, ending: Ending, reason: str) -> None:
        """Nothing more comes from it, and nothing that it said of the caller holds any more."""
        if self.link is not Link.LOST:
            self.link = step_link(self.link, Link.LOST)
        self._caller_speaking = self._brief = self._broke_in = False
        self._desk.timers.clear(Timer.CONFIRM, Timer.RESPONSE, Timer.WARN)
        if self.life is Life.LEAVING or (self.life is Life.GOODBYE and not self._all_heard()):
            return  # what is still to be heard is on its way to the caller already
        self._end(ending, reason)

    def _on_error(self, event: model.Error) -> None:
        error = event.error
        fault, code = faults.sort(error), faults.code_of(error)
        self._note(notes.ModelErred(fault, code))
        about = error.event_id
        if fault is Fault.FATAL:
            self._lose_model(Ending.MODEL_REFUSED, code)
        elif fault is Fault.EXPIRED:
            self._lose_model(Ending.MODEL_LOST, code)
        elif about is not None and about == self._session_event:
            self._end(Ending.MODEL_REFUSED, "session_update")
        elif error.code == "conversation_already_has_active_response":
            self.responses.refused_for_another()
        elif about is not None and about == self.responses.event_id:
            self._retry(self.responses.lost() or UNASKED)

    # --- The caller's turn ---

    def _on_speech_started(self, event: model.SpeechStarted) -> None:
        if self.link is not Link.READY:
            return None
        self._caller_speaking = self.responses.held = True
        self._brief = False
        self._silence.caller_spoke()
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
            return self._note(notes.BargeInIgnored("greeting"))
        if not self.agent.barge_in.min_speech_ms:
            return self._barge_in(event.audio_start_ms)
        self._brief = True
        self._speech_began_ms = event.audio_start_ms
        return self._desk.wake(Timer.CONFIRM, self.agent.barge_in.min_speech_ms / 1000)

    def _on_speech_stopped(self, event: model.SpeechStopped) -> None:
        self._fall_silent()
        if self._brief and self._speaking():
            return self._note(notes.BargeInIgnored("short"))
        # Short, but not into the model's sentence: an answer, or more of his turn.
        self._brief = False
        self._stay()
        self.turns.stopped(self._stopped_at(event.audio_end_ms), self._desk.now)
        self._spoke_since_caller = False
        return self._expect_answer()

    def _fall_silent(self) -> None:
        self._caller_speaking = self.responses.held = self._broke_in = False
        self._desk.timers.clear(Timer.CONFIRM)

    def _expect_answer(self) -> None:
        """The server's own is on its way: one asked for now would be refused, or be a second."""
        if self._server_answers and not self.responses.busy:
            self.responses.held = True
            self._desk.wake(Timer.RESPONSE, limits.RESPONSE_START_MAX_S)

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
        old = at is not None and at < self._desk.now - limits.SPEECH_AGE_MAX_S
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
            return self._desk.to_model(to_model.item_delete(event.item_id, self._desk.new_id()))
        self._caller_turns += 1
        self._cut_off_tools()
        if self.agent.client_turns:
            return self._want(UNASKED)
        return self._expect_answer()

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
            self._note(notes.BargedIn(*cut, reaction_s))
        self._cut_off_tools()
        self._stay()

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is not Life.CLOSED:
            for call_id in self._tools.running:
                self._desk.put(do.CancelTool(call_id))
        super()._end(ending, reason)

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.FILLER:
            self._fill()
        else:
            super()._on_timer(timer)

    def _on_caller_transcript(self, event: model.CallerTranscriptDone) -> None:
        self._note(notes.TranscriptLine("caller", event.transcript, event.item_id))

    # --- The model's turn ---

    def _on_response_created(self, event: model.ResponseCreated) -> None:
        self.responses.created(event.response.id)
        self.responses.held = self._caller_speaking
        self._progress()
        if self._broke_in:
            # It was asked for before he spoke, and would talk over him.
            self._cancel(event.response.id)
            self._cut()

    def _progress(self) -> None:
        """The response goes on."""
        if self.responses.active_id is not None:
            self._desk.wake(Timer.RESPONSE, limits.RESPONSE_STALL_MAX_S)

    def _model_spoke(self) -> None:
        """A new sound of the model's began."""
        self._spoke_since_caller = True
        self._retries = 0

    def _on_transcript(self, event: model.TranscriptDone) -> None:
        self._note(notes.TranscriptLine("model", event.transcript, event.item_id))

    def _on_response_done(self, event: model.ResponseDone) -> None:
        response = event.response
        want = self.responses.done(response.id)
        if want is not None:
            self._desk.timers.clear(Timer.RESPONSE)
        if response.usage is not None:
            self.tokens += response.usage.total_tokens
            self._note(notes.UsageCounted(self.agent.model, response.usage))
        if response.status == "failed":
            self._failed(response, want)
        elif response.status != "cancelled":
            self._run_calls(response)

    def _failed(self, response: model.Response, want: Want | None) -> None:
        details = response.status_details
        error = (details.error if details else None) or model.ErrorBody()
        fault, code = faults.sort(error), faults.code_of(error)
        self._note(notes.ModelErred(fault, code))
        if fault is Fault.FATAL:
            self._lose_model(Ending.MODEL_REFUSED, code)
        elif want is not None:
            self._retry(want)

    def _run_calls(self, response: model.Response) -> None:
        for item in response.output or ():
            if item.type != "function_call" or item.call_id is None:
                continue
            self.tools_called += 1
            name = item.name if item.name in self.agent.tools else None
            self._note(notes.ToolCalled(name or "unknown"))
            if name == "end_call":
                self._depart(Departure(Ending.AGENT_HUNG_UP, item.call_id))
            elif name == "transfer":
                self._transfer(response.id, item.call_id, item.arguments)
            elif name is not None and name in self._tools:
                self._start(response.id, item.call_id, name, item.arguments or "")
            else:
                self._tools.put(response.id, item.call_id, wording.NO_SUCH_TOOL)
        self._hand_in()

    def _start(self, response_id: str, call_id: str, name: str, arguments: str) -> None:
        if not self._tools.confirmed(name, arguments, self._caller_turns):
            self._tools.put(response_id, call_id, wording.CONFIRM)
        elif self._tools.start(response_id, call_id, name, self._desk.now):
            self._desk.put(do.RunTool(call_id, name, arguments))
        else:
            self._tools.put(response_id, call_id, wording.TOO_MANY)

    def _on_tool_finished(self, event: inputs.ToolFinished) -> None:
        self._finish(event.call_id, event.output, event.outcome, answer=True)
        self._hand_in()

    def _finish(self, call_id: str, output: str, outcome: str, *, answer: bool) -> None:
        running = self._tools.finish(call_id, output, answer=answer)
        if running is not None:
            self._note(notes.ToolDone(running.name, outcome, self._desk.now - running.since))

    def _working(self) -> bool:
        return bool(self._tools.running)

    def _hand_in(self) -> None:
        """The outputs of one response go in together, and are answered once."""
        for entry in self._tools.complete():
            for call_id, output in entry.outputs:
                self._output(call_id, output)
            if entry.to_be_answered:
                self.responses.forget("filler")
                self._want(Want("tool_output", any_will_do=True))
        due = self._tools.filler_due()
        if due is None:
            self._desk.timers.clear(Timer.FILLER)
        else:
            self._desk.timers.set(Timer.FILLER, due)

    def _cut_off_tools(self) -> None:
        """What the caller's words make void, by each function's own policy."""
        for running in self._tools.cut_off():
            self._desk.put(do.CancelTool(running.call_id))
            self._finish(running.call_id, wording.CANCELLED, "cancelled", answer=False)
        self._hand_in()

    def _fill(self) -> None:
        """The caller has waited for long enough without a sound."""
        running = self._tools.filler(self._desk.now)
        if running is not None and not self._caller_speaking and not self._busy():
            said = running.function.filler
            words = wording.word_for_word(said) if said else wording.instructed(wording.FILLER)
            self._want(Want("filler", words))
        self._hand_in()

    def _transfer(self, response_id: str, call_id: str, arguments: str | None) -> None:
        target = departure.target_of(arguments)
        if target in self.agent.transfers:
            to = self.agent.transfers[target].to
            self._depart(Departure(Ending.TRANSFERRED, call_id, to))
        else:
            names = ", ".join(self.agent.transfers)
            self._tools.put(response_id, call_id, f"There is no such target. There are: {names}.")

    def _on_rate_limits(self, event: model.RateLimitsUpdated) -> None:
        self._note(notes.RateLimitsSeen(tuple(event.rate_limits)))
