"""The mind of one call, whichever path its sound takes: events in, commands and notes out.

It never awaits, reads a clock or logs; `now` is handed in, in seconds of a monotonic clock.
Handlers put what should be done on the desk; after each event `_settle` looks at the whole and
does what has become due: asks for the next response, ends a goodbye that was heard, watches a
silence. Subclasses know the caller's end of the line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway import limits
from gateway.agents.config import Agent
from gateway.call import commands as do
from gateway.call import departure, faults, formats, inputs, notes, wording
from gateway.call.departure import Departure
from gateway.call.desk import Desk, Out
from gateway.call.endings import Ending
from gateway.call.faults import Fault
from gateway.call.responses import UNASKED, ResponseArbiter, Want
from gateway.call.silence import SilenceWatch
from gateway.call.states import Life, Link, step_life, step_link
from gateway.call.timers import Timer
from gateway.call.turns import TurnLedger
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items
from gateway.protocols import realtime_server as model

_HANGS_UP: Final = frozenset(
    {Ending.AGENT_HUNG_UP, Ending.IDLE, Ending.MAX_LENGTH, Ending.OPERATOR_HUNG_UP}
)
"""Endings in which we end the telephone call; after the others the carrier goes on with it."""


class Conversation(ABC):
    """One call. `session` is what the agent asks of the model; `new_id` makes event ids."""

    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        self.agent = agent
        self.life = Life.EXPECTED
        self.link = Link.CONNECTING
        self.ending: Ending | None = None
        self.opening: str | None = None
        """How to begin, in place of the greeting, with a caller who was here before."""
        self.barge_ins = self.tools_called = self.tokens = 0
        self.turns = TurnLedger()
        self.responses = ResponseArbiter()
        self._session = session
        self._session_event: str | None = None
        self._vad_silence_s = formats.vad_silence_s(session)
        self._server_answers = formats.server_answers(session)
        self._server_interrupts = formats.server_interrupts(session)
        self._desk = Desk(new_id, now)
        self._silence = SilenceWatch(agent.idle, self._desk)
        self._announced_at = now
        self._arrived_at: float | None = None
        self._greeted = False
        self._greeting_protected_until = 0.0
        self._caller_speaking = False
        self._speech_began_ms = 0
        self._brief = False
        """The caller spoke into the model's sentence, too briefly (so far) to stop it."""
        self._broke_in = False
        """The caller interrupted, and is still speaking."""
        self._spoke_since_caller = False
        self._retries = 0
        self._departure: Departure | None = None
        self._desk.wake(Timer.ARRIVAL, limits.ARRIVAL_WAIT_S)
        self._desk.wake(Timer.READY, limits.MODEL_READY_MAX_S)
        self._handlers = self._table()

    # --- What the hands call ---

    def handle(self, event: object, now: float) -> Sequence[Out]:
        """One event of either wire, or an input; events that need no answer get none."""
        handler = self._handlers.get(type(event))
        if handler is None or self.life is Life.CLOSED:
            return ()
        self._desk.now = now
        handler(event)
        return self._settled()

    def tick(self, now: float) -> Sequence[Out]:
        """To be called at `deadline`."""
        self._desk.now = now
        while timer := self._desk.timers.pop_due(now):
            self._on_timer(timer)
        return self._settled()

    def give_up(self, now: float) -> Sequence[Out]:
        """The call could not be answered: nobody was ever there."""
        self._desk.now = now
        self._end(Ending.MODEL_REFUSED, "accept")
        return [out for out in self._desk.take() if isinstance(out, notes.Ended)]

    def abandon(self, now: float) -> Sequence[Out]:
        """A bug of ours: whatever state this is in, the call ends now."""
        self._desk.take()
        self._desk.now = now
        self._end(Ending.BUG)
        return self._desk.take()

    @property
    def deadline(self) -> float | None:
        """When `tick` is due; changes with every event but a frame of the caller's."""
        return None if self.life is Life.CLOSED else self._desk.timers.next()

    @property
    def arrived(self) -> bool:
        return self._arrived_at is not None

    # --- The caller's end of the line, which the subclasses know ---

    @abstractmethod
    def _on_ready(self) -> None:
        """The model can hear."""

    @abstractmethod
    def _can_be_heard(self) -> bool:
        """Whether sound reaches the caller."""

    @abstractmethod
    def _speaking(self) -> bool:
        """Whether the caller hears the model, or is about to."""

    @abstractmethod
    def _all_heard(self) -> bool:
        """Whether every sound of the model so far has reached the caller's ear."""

    @abstractmethod
    def _cut(self) -> tuple[str, int] | None:
        """Quiet at once; the model learns what was heard. The item cut, and its ms heard."""

    @abstractmethod
    def _spoken_at(self, audio_ms: float) -> float | None:
        """When the caller spoke what stands at `audio_ms` of the session's audio."""

    def _table(self) -> dict[type, Callable[[Any], None]]:
        return {
            inputs.ModelLost: self._on_model_lost,
            inputs.HangUpAsked: self._on_hang_up_asked,
            inputs.PeerFault: self._on_peer_fault,
            inputs.TransferFailed: self._on_transfer_failed,
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

    # --- Life ---

    def _arrive(self) -> None:
        self.life = step_life(self.life, Life.TALKING)
        self._arrived_at = self._desk.now
        self._desk.timers.clear(Timer.ARRIVAL)
        self._note(notes.CallerArrived(self._desk.now - self._announced_at))
        self._desk.wake(Timer.LENGTH, self.agent.max_call_s)
        if self.agent.max_call_s >= 2 * limits.WARN_BEFORE_END_S:
            self._desk.wake(Timer.WARN, self.agent.max_call_s - limits.WARN_BEFORE_END_S)

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is Life.CLOSED:
            return
        self.life = step_life(self.life, Life.CLOSED)
        self.ending = ending
        self._desk.timers.clear_all()
        self._desk.put(do.CloseModel())
        self._desk.put(do.HangUp() if ending in _HANGS_UP else do.CloseCaller())
        arrived, now = self._arrived_at, self._desk.now
        self._note(
            notes.Ended(
                ending,
                reason,
                arrived=arrived is not None,
                seconds=now - arrived if arrived is not None else 0.0,
                waits_s=tuple(self.turns.waits_s),
                barge_ins=self.barge_ins,
                tools=self.tools_called,
                tokens=self.tokens,
            )
        )

    def _on_hang_up_asked(self, event: inputs.HangUpAsked) -> None:
        self._end(event.ending)

    def _on_peer_fault(self, event: inputs.PeerFault) -> None:
        self._note(notes.PeerFaulted(event.peer, event.kind))

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
        self._caller_speaking = self.responses.held = self._broke_in = False
        self._desk.timers.clear(Timer.CONFIRM)
        if self._brief and self._model_has_floor():
            return self._note(notes.BargeInIgnored("short"))
        # Short, but the last word was his: an answer, not an "uh-huh".
        self._brief = False
        self._stay()
        self.turns.stopped(self._stopped_at(event.audio_end_ms), self._desk.now)
        self._spoke_since_caller = False
        return self._expect_answer()

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

    def _on_committed(self, event: model.Committed) -> None:
        """The caller's turn is over: an answer comes by itself, or is asked for."""
        if self._brief:
            # "Uh-huh" is not a turn: the model goes on as if it had not been said.
            self._brief = False
            return self._desk.to_model(to_model.item_delete(event.item_id, self._desk.new_id()))
        if self.agent.client_turns:
            return self._want(UNASKED)
        return self._expect_answer()

    def _model_has_floor(self) -> bool:
        return self.responses.busy or self._speaking()

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
        self._stay()

    def _cancel(self, response_id: str) -> None:
        self._desk.to_model(to_model.response_cancel(self._desk.new_id(), response_id))

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
                self._transfer(item.call_id, item.arguments)
            else:
                self._answer(item.call_id, wording.NO_SUCH_TOOL)

    def _transfer(self, call_id: str, arguments: str | None) -> None:
        target = departure.target_of(arguments)
        if target in self.agent.transfers:
            to = self.agent.transfers[target].to
            self._depart(Departure(Ending.TRANSFERRED, call_id, to))
        else:
            names = ", ".join(self.agent.transfers)
            self._answer(call_id, f"There is no such target. There are: {names}.")

    def _answer(self, call_id: str, output: str) -> None:
        """A tool is done, and the model is to go on with what came of it."""
        self._output(call_id, output)
        self._want(Want("tool_output", any_will_do=True))

    def _output(self, call_id: str, output: str) -> None:
        item = items.function_output(call_id, output)
        self._desk.to_model(to_model.item_create(item, self._desk.new_id()))

    def _on_rate_limits(self, event: model.RateLimitsUpdated) -> None:
        self._note(notes.RateLimitsSeen(tuple(event.rate_limits)))

    # --- Asking for responses ---

    def _greet(self) -> None:
        """Said once, when the model is ready and sound flows: not before it can be heard."""
        if self._greeted or self.link is not Link.READY or not self._can_be_heard():
            return
        self._greeted = True
        if self.opening is not None:
            self._want(Want("opening", wording.instructed(self.opening)))
        elif self.agent.greeting is not None:
            protect_s = self.agent.barge_in.protect_greeting_ms / 1000
            self._greeting_protected_until = self._desk.now + protect_s
            self._want(Want("greeting", wording.word_for_word(self.agent.greeting)))

    def _want(self, want: Want) -> None:
        if not self.responses.want(want):
            self._note(notes.ModelErred(Fault.UNKNOWN, "too_many_responses"))

    def _ask(self) -> None:
        if self.link is not Link.READY:
            return
        event_id = self._desk.new_id()
        want = self.responses.next(event_id)
        if want is not None:
            self._desk.to_model(to_model.response_create(event_id, want.response))
            self._desk.wake(Timer.RESPONSE, limits.RESPONSE_START_MAX_S)

    def _ask_again(self) -> None:
        """The response did not begin, or does not go on."""
        self.responses.held = self._caller_speaking
        self._retry(self.responses.stalled() or UNASKED)

    def _retry(self, want: Want) -> None:
        self._retries += 1
        if self._retries <= limits.RESPONSE_RETRIES_MAX:
            self._want(want)
        elif self.life is Life.GOODBYE:
            self._leave("unheard")
        elif self.life is Life.TALKING:
            self._end(Ending.MODEL_SILENT)

    # --- Coming to an end ---

    def _depart(self, departure: Departure) -> None:
        """Leaves when the last word is heard; asks for that word if none was said."""
        if self.life is not Life.TALKING:
            return None
        if departure.call_id is not None and self._caller_speaking and not self._brief:
            return self._output(departure.call_id, departure.revoked)
        self.life = step_life(self.life, Life.GOODBYE)
        self._departure = departure
        self._desk.timers.clear(Timer.NUDGE, Timer.IDLE)
        self._desk.wake(Timer.GOODBYE, limits.GOODBYE_MAX_S)
        if departure.call_id is None or not self._spoke_since_caller:
            self._want(Want("farewell", wording.instructed(departure.words)))
        return None

    def _stay(self) -> None:
        """The caller speaks into the goodbye: he has something to add."""
        leaving = self._departure
        if self.life is not Life.GOODBYE or leaving is None or self._time_is_up():
            return
        self.life = step_life(self.life, Life.TALKING)
        self._departure = None
        self._desk.timers.clear(Timer.GOODBYE)
        self.responses.forget("farewell")
        if leaving.call_id is not None:
            self._output(leaving.call_id, leaving.revoked)

    def _leave(self, reason: str = "") -> None:
        """The last word was heard, or waited for long enough."""
        leaving = self._departure
        if leaving is None or leaving.to is None:
            return self._end(leaving.ending if leaving else Ending.BUG, reason)
        self.life = step_life(self.life, Life.LEAVING)
        self._desk.timers.clear(Timer.GOODBYE)
        self._desk.wake(Timer.TRANSFER, limits.TRANSFER_MAX_S)
        return self._desk.put(do.Transfer(leaving.to))

    def _on_transfer_failed(self, event: inputs.TransferFailed) -> None:
        self._return("refused", event.reason)

    def _return(self, outcome: str, reason: str = "") -> None:
        """Nobody took the caller: the model has him back, and knows it."""
        leaving = self._departure
        if self.life is not Life.LEAVING or leaving is None or leaving.call_id is None:
            return None
        self.life = step_life(self.life, Life.TALKING)
        self._departure = None
        self._desk.timers.clear(Timer.TRANSFER)
        self._note(notes.TransferTried(outcome))
        if self.link is Link.LOST:
            return self._end(Ending.MODEL_LOST, reason)
        self._answer(leaving.call_id, wording.TRANSFER_FAILED)
        return self._depart(Departure(Ending.MAX_LENGTH)) if self._time_is_up() else None

    def _gone(self) -> None:
        """The caller's leg has ended, and not by us."""
        if self.life is Life.LEAVING:
            self._note(notes.TransferTried("done"))
            self._end(Ending.TRANSFERRED)
        else:
            self._end(Ending.CALLER_HUNG_UP)

    # --- Time ---

    def _time_is_up(self) -> bool:
        return Timer.LENGTH not in self._desk.timers

    def _on_timer(self, timer: Timer) -> None:
        match timer:
            case Timer.ARRIVAL:
                self._end(Ending.NEVER_ARRIVED)
            case Timer.READY:
                self._end(Ending.MODEL_SILENT, "session")
            case Timer.CONFIRM:
                self._brief = False
                self._barge_in(self._speech_began_ms)
            case Timer.RESPONSE:
                self._ask_again()
            case Timer.NUDGE:
                self._silence.nudged()
                self._want(Want("nudge", wording.instructed(self.agent.idle.nudge)))
            case Timer.IDLE:
                self._depart(Departure(Ending.IDLE))
            case Timer.WARN:
                warning = items.system_text(self.agent.goodbye)
                self._desk.to_model(to_model.item_create(warning, self._desk.new_id()))
            case Timer.LENGTH:
                self._depart(Departure(Ending.MAX_LENGTH))
            case Timer.TRANSFER:
                self._return("no_outcome")
            case Timer.GOODBYE:
                self._leave("unheard")

    # --- After every event ---

    def _settled(self) -> Sequence[Out]:
        if self.life is not Life.CLOSED:
            self._settle()
        return self._desk.take()

    def _settle(self) -> None:
        self._ask()
        if self.life is Life.GOODBYE:
            done = self.responses.idle or self.link is Link.LOST
            if done and not self._caller_speaking and self._all_heard():
                self._leave()
        elif self.life is Life.TALKING and self.link is Link.READY:
            self._silence.look(quiet=not (self._caller_speaking or self._busy()))

    def _busy(self) -> bool:
        awaited = not self.responses.idle or Timer.RESPONSE in self._desk.timers
        return awaited or self._speaking()

    def _note(self, note: notes.Note) -> None:
        self._desk.put(note)
