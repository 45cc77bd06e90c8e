"""The life of a call, whichever path it takes: how it begins, and what is asked of the model.

Everything of the mind is told what happened and when, and answers what should be done: it never
awaits, reads a clock or logs; `now` is in seconds of a monotonic clock. Handlers put what should
be done on the desk; after an event `_settle` looks at the whole and does what has become due: asks
for the next response, watches a silence. Only while the model's sound simply goes on it need not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import commands as do
from gateway.call import events
from gateway.call.context import NOTHING, CallContext, Out
from gateway.call.dialogue import prompts
from gateway.call.dialogue.floor import FloorWatch
from gateway.call.dialogue.idle import IdleWatch
from gateway.call.dialogue.turn_latency import TurnLatency
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.responses import UNASKED, UNSEEN, ResponseArbiter, ResponseRequest
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.state_machines import CallPhase, LinkState, step_phase
from gateway.call.timers import Timer
from gateway.protocols import media_stream
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items

_CLOSED = CallPhase.CLOSED  # Python 3.11 takes ten times as long to find a member of an enum


class CallLife(ABC):
    """`new_id` makes ids for our events."""

    _inconsequential: ClassVar[frozenset[type]] = frozenset()
    """Events that are only written down: nothing can have become due by them."""
    _of_sound: ClassVar[frozenset[type]] = frozenset()
    """Events that move the model's sound along, and no more than that while it speaks on."""

    def __init__(self, agent: Agent, new_id: Callable[[], str], now: float) -> None:
        self.agent = agent
        self.life = CallPhase.EXPECTED
        self.link = LinkState.CONNECTING
        self.ending: Ending | None = None
        self.opening: str | None = None
        """How to begin, in place of the greeting, with a caller who was here before."""
        self.memory = ConversationHistory()
        self.resumed = False
        """Whether the caller was here before, on another stream."""
        self.resumes = 0
        """How often the call was taken up again so far."""
        self.streams = 0
        """How many streams it has had, the one in use included."""
        self.barge_ins = self.tools_called = self.tokens = 0
        self.turns = TurnLatency()
        self.responses = ResponseArbiter()
        self._desk = CallContext(new_id, now)
        self._silence = IdleWatch(agent.idle, self._desk)
        self._floor = FloorWatch(self._desk)
        self._announced_at = now
        self._arrived_at: float | None = None
        self._talked_s = 0.0
        """Before the call was taken up here."""
        self._opened = self._greeted = False
        """We have begun; somebody has, be it in another process."""
        self._handing_over = False
        self._greeting_protected_until = 0.0
        self._caller_speaking = False
        self._brief = False
        """The caller spoke into the model's sentence, too briefly (so far) to stop it."""
        self._broke_in = False
        """He interrupted, and is still speaking."""
        self._spoke_since_caller = False
        self._retries = 0
        self._desk.wake(Timer.ARRIVAL, limits.call.ARRIVAL_WAIT_S)
        self._desk.wake(Timer.READY, limits.model.MODEL_TRY_MAX_S)
        self._handlers = self._table()

    # --- What the hands call ---

    def handle(self, event: object, now: float) -> Sequence[Out]:
        """One event of either wire, or an input; NOTHING where it means nothing to this call."""
        kind = type(event)
        handler = self._handlers.get(kind)
        if handler is None or self.life is _CLOSED:
            return NOTHING
        self._desk.now = now
        handler(event)
        if kind in self._inconsequential:
            return NOTHING
        return self._settled(only_sound=kind in self._of_sound)

    def pass_up(self, frame: media_stream.Media, now: float) -> bytes | None:  # noqa: ARG002
        """A frame of the caller's, as a message for the model; None: there is more to it.

        Then nothing has happened yet, and `handle` is to have it.
        """
        return None

    def tick(self, now: float) -> Sequence[Out]:
        """To be called at `deadline`."""
        self._desk.now, only_sound = now, True
        while timer := self._desk.timers.pop_due(now):
            self._on_timer(timer)
            only_sound = False
        return self._settled(only_sound=only_sound)

    def give_up(self, now: float) -> Sequence[Out]:
        """The call could not be answered: nobody was ever there."""
        self._desk.now = now
        self._end(Ending.MODEL_REFUSED, "accept")
        return [out for out in self._desk.take() if isinstance(out, events.CallEnded)]

    def abandon(self, now: float) -> Sequence[Out]:
        """A bug of ours: whatever state this is in, the call ends now."""
        self._desk.take()
        self._desk.now = now
        try:
            self._end(Ending.BUG)
        except Exception:  # what a room above has to tidy up may be what is broken
            CallLife._end(self, Ending.BUG)
        return self._desk.take()

    @property
    def deadline(self) -> float | None:
        """When `tick` is due; changes with every event but a frame of the caller's."""
        return None if self.life is CallPhase.CLOSED else self._desk.timers.next()

    @property
    def arrived(self) -> bool:
        return self._arrived_at is not None

    @property
    def takes_wishes(self) -> bool:
        """Whether an operator's wish can be met: people talk, and the model hears."""
        return self.life is CallPhase.TALKING and self.link is LinkState.READY

    # --- What the subclasses know: the session's events, and the caller's end of the line ---

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
    def _working(self) -> bool:
        """Whether something is being done for the caller meanwhile."""

    @abstractmethod
    def _confirmed(self) -> None:
        """The caller has spoken for long enough to interrupt."""

    @abstractmethod
    def _table(self) -> dict[type, Callable[[Any], None]]:
        """Which handler hears which event."""

    @abstractmethod
    def _hand_over(self) -> None:
        """To another process: the call leaves this one."""

    @abstractmethod
    def _renew(self, reason: str) -> None:
        """The model is to be had again."""

    @abstractmethod
    def _leave(self, reason: str = "") -> None:
        """The last word was heard, or waited for long enough."""

    @abstractmethod
    def _spoken_at(self, audio_ms: float) -> float | None:
        """When the caller spoke what stands at `audio_ms` of the session's audio."""

    # --- Life ---

    def _arrive(self) -> None:
        self.life = step_phase(self.life, CallPhase.TALKING)
        self._arrived_at = self._desk.now
        self.streams += 1
        self._desk.timers.clear(Timer.ARRIVAL)
        self._note(events.CallerConnected(self._desk.now - self._announced_at))
        left_s = max(0.0, self.agent.max_call_s - self._talked_s)
        self._desk.wake(Timer.LENGTH, left_s)
        if self.agent.max_call_s >= 2 * limits.call.WARN_BEFORE_END_S:
            self._desk.wake(Timer.WARN, max(0.0, left_s - limits.call.WARN_BEFORE_END_S))

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is CallPhase.CLOSED:
            return
        self.life = step_phase(self.life, CallPhase.CLOSED)
        self.ending = ending
        self._desk.timers.clear_all()
        self._desk.put(do.CloseModel())
        self._desk.put(do.HangUp() if ending.ours else do.CloseCaller())
        arrived, now = self._arrived_at, self._desk.now
        self._note(
            events.CallEnded(
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
        self._desk.close()

    # --- Asking for responses ---

    def _greet(self) -> None:
        """Said once, when the model is ready and sound flows: not before it can be heard."""
        if self._opened or self.link is not LinkState.READY or not self._can_be_heard():
            return
        self._opened = True
        before, self._greeted = self._greeted, True
        if self.opening is not None:
            self._want(ResponseRequest("opening", prompts.instructed(self.opening)))
        elif before:
            self._take_up()
        elif self.agent.greeting is not None:
            protect_s = self.agent.barge_in.protect_greeting_ms / 1000
            self._greeting_protected_until = self._desk.now + protect_s
            self._want(ResponseRequest("greeting", prompts.word_for_word(self.agent.greeting)))

    def _take_up(self) -> None:
        """Silently: an answer that the caller waits for is given, or goes on."""
        last = next((m for m in reversed(self.memory.memos) if m.text), None)
        if self.memory.caller_was_last:
            self._want(ResponseRequest("answer", any_will_do=True))
        elif last is not None and not last.done:
            self._want(ResponseRequest("resumed", prompts.go_on(last.text)))

    def _want(self, want: ResponseRequest) -> None:
        if not self.responses.want(want):
            self._note(events.ModelErrorReported(ModelErrorKind.UNKNOWN, "too_many_responses"))

    def _ask(self) -> None:
        if self.link is not LinkState.READY or not self.responses.due:
            return
        event_id = self._desk.new_id()
        want = self.responses.next(event_id)
        if want is not None:
            self._desk.to_model(to_model.response_create(event_id, want.response))
            self._desk.wake(Timer.RESPONSE, limits.model.RESPONSE_START_MAX_S)

    def _ask_again(self) -> None:
        """The response did not begin, or does not go on."""
        self.responses.held = self._caller_speaking
        self._retry(self.responses.stalled() or UNASKED)

    def _retry(self, want: ResponseRequest) -> None:
        self._retries += 1
        if self._retries <= limits.model.RESPONSE_RETRIES_MAX:
            self._want(want)
        elif self.life is CallPhase.GOODBYE:
            self._leave("unheard")
        elif self.life is CallPhase.TALKING:
            self._end(Ending.MODEL_SILENT)

    def _answer(self, call_id: str, output: str) -> None:
        """A tool is done, and the model is to go on with what came of it."""
        self._output(call_id, output)
        self._want(ResponseRequest("tool_output", any_will_do=True))

    def _output(self, call_id: str, output: str) -> None:
        call = self.memory.answered(call_id, output)
        if self.link is not LinkState.READY:
            return  # the next session is told
        told = [call.as_item()] if call else []
        for item in (*told, items.function_output(call_id, output)):
            if item is not None:
                self._desk.to_model(to_model.item_create(item, self._desk.new_id()))

    def _tell_model(self, text: str) -> None:
        """For its next answer."""
        self._desk.to_model(to_model.item_create(items.system_text(text), self._desk.new_id()))

    def _cancel(self, response_id: str) -> None:
        named = None if response_id == UNSEEN else response_id  # without a name: whatever runs
        self._desk.to_model(to_model.response_cancel(self._desk.new_id(), named))

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        match timer:
            case Timer.ARRIVAL:
                self._end(Ending.NEVER_ARRIVED)
            case Timer.HAND_OVER if self.life is CallPhase.TALKING:
                self._hand_over()
            case Timer.CONFIRM:
                self._confirmed()
            case Timer.RESPONSE:
                self._ask_again()
            case Timer.NUDGE:
                self._silence.nudged()
                self._want(ResponseRequest("nudge", prompts.instructed(self.agent.idle.nudge)))
            case Timer.WARN:
                self._tell_model(self.agent.goodbye)

    def _forget_speech(self) -> None:
        """Whatever the caller was saying: he is not, as far as is known."""
        self._caller_speaking = self._brief = self._broke_in = self.responses.held = False

    # --- After every event ---

    def _settled(self, *, only_sound: bool = False) -> Sequence[Out]:
        if self.life is _CLOSED:
            pass
        elif only_sound and self._mid_sound():
            self._play_on()
        else:
            self._settle()
        return self._desk.take()

    def _mid_sound(self) -> bool:
        """Whether the caller heard the model at the last look, and still does.

        Then what waits for quiet goes on waiting, and a little more sound makes nothing else due.
        """
        return False

    def _play_on(self) -> None:  # noqa: B027 - there is none where the server plays
        """What of the model's sound is due goes to the caller."""

    def _settle(self) -> None:
        speaking = self._speaking()
        self._floor.look(caller=self._caller_speaking, model=speaking)
        self._ask()
        if self.life is CallPhase.TALKING and self.link is LinkState.READY:
            busy = speaking or self._caller_speaking or self._awaited() or self._working()
            self._silence.look(quiet=not busy)

    def _model_has_floor(self) -> bool:
        return self.responses.busy or self._speaking()

    def _busy(self) -> bool:
        return self._awaited() or self._speaking()

    def _awaited(self) -> bool:
        """Whether a response is on its way, or is to be."""
        return not self.responses.idle or Timer.RESPONSE in self._desk.timers

    def _note(self, note: events.CallEvent) -> None:
        self._desk.put(note)
