"""The call's link to the model: had, lost, had again, and changed before its hour is up.

The conversation outlives the connection. A new session is told what was said; what the caller
says meanwhile is held for it; an answer that broke off goes on where it was cut.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import Out
from gateway.call.dialogue import prompts
from gateway.call.dialogue.goodbye import LeavingCall
from gateway.call.endings import Ending
from gateway.call.history import HistoryReplay
from gateway.call.responses import UNASKED, ResponseRequest
from gateway.call.session import model_errors, session_audio
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.session.reconnect import ReconnectPolicy
from gateway.call.session.replay_window import ReplayWindow
from gateway.call.session.rollover import SessionRollover
from gateway.call.state_machines import CallPhase, LinkState, step_link
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items
from gateway.protocols import realtime_server as model
from gateway.protocols.realtime_event import Event

_OF_THE_SERVER: Final = (Event, model.Ignored)


class LinkedCall(LeavingCall):
    """`session` is what the agent asks of the model; `new_id` makes event ids."""

    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, new_id, now)
        self.unix_offset_s: float | None = None
        self.hours_shift_s = 0.0
        """Unix time less our clock's; without it, every session is believed to last an hour."""
        self._session = session
        self._session_event: str | None = None
        self._renewal = ReconnectPolicy(now)
        self._next = SessionRollover(session, self._desk)
        self._was_ready = False
        self._lost_at = now
        self._heard_server_at = self._server_due_at = now
        self._caller_turns = ReplayWindow()
        self._answer_item: str | None = None
        """The item of the response in flight that the caller hears, or is about to."""

    def handle(self, event: object, now: float) -> Sequence[Out]:
        if isinstance(event, _OF_THE_SERVER):
            self._heard_server_at = now
        return super().handle(event, now)

    def _link_table(self) -> dict[type, Callable[[Any], None]]:
        return {
            inputs.PeerFaultSeen: self._on_peer_fault,
            inputs.ModelLost: self._on_model_lost,
            inputs.NextSessionEvent: self._on_next,
            inputs.NextSessionLost: self._on_next_lost,
            inputs.HistoryRestored: self._on_remembered,
            model.SessionCreated: self._on_session_created,
            model.SessionUpdated: self._on_session_updated,
            model.Error: self._on_error,
        }

    # --- What the subclasses know ---

    @abstractmethod
    def _say_again(self, since_ms: float) -> None:
        """Holds the caller's sound for the next session, from there on."""

    @abstractmethod
    def _break_off(self) -> None:
        """No more sound comes of the answer that was in flight."""

    # --- Had ---

    def _on_session_created(self, _event: model.SessionCreated) -> None:
        if self.link is not LinkState.CONNECTING:
            return
        self.link = step_link(self.link, LinkState.CONFIGURING)
        self._session_event = self._desk.new_id()
        self._desk.to_model(to_model.session_update(self._session, self._session_event))

    def _on_session_updated(self, event: model.SessionUpdated) -> None:
        if self.link is not LinkState.CONFIGURING:
            return None
        if not session_audio.echoes(self._session.get("audio", {}), event.session.audio):
            return self._end(Ending.MODEL_REFUSED, "audio_format")
        self.link = step_link(self.link, LinkState.READY)
        self._desk.timers.clear(Timer.READY)
        self._renewal.confirmed(self._desk.now)
        self._note_ready(event.session.expires_at)
        self._plan_roll(event.session.expires_at)
        for message in self._recall():
            self._desk.to_model(message)
        return self._on_ready()

    def _note_ready(self, expires_at: int | None) -> None:
        now = self._desk.now
        if self._was_ready:
            self._note(events.ModelReconnected(now - self._lost_at, "lost"))
        else:
            self._was_ready = True
            self._note(events.ModelReady(now - self._announced_at, expires_at))

    def _recall(self) -> list[bytes]:
        """What was said so far, for a session that was not there."""
        told = self.memory.replay()
        if told:
            told.insert(0, items.system_text(prompts.RECALLED))
        return [to_model.item_create(item, self._desk.new_id()) for item in told]

    def _on_remembered(self, event: inputs.HistoryRestored) -> None:
        """This session was told what was known when it began."""
        news = self.memory.catch_up(event.memos)
        self.memory.interrupted(prompts.OF_PENDING_CALLS, prompts.NOT_KNOWN)
        if self.link is LinkState.READY:
            for one in news:
                self._retell(one)

    def _retell(self, one: HistoryReplay) -> None:
        """What a session has as text cannot be truncated, but said anew."""
        if one.told:
            self._desk.to_model(to_model.item_delete(one.memo.replay_id, self._desk.new_id()))
        item = one.memo.as_item()
        if item is not None:
            self._desk.to_model(to_model.item_create(item, self._desk.new_id(), one.after))

    # --- Lost ---

    def _on_model_lost(self, event: inputs.ModelLost) -> None:
        if self.link is LinkState.LOST:
            return
        if event.refused:
            self._lose_model(Ending.MODEL_REFUSED, event.reason)
        else:
            self._renew(event.reason)

    def _renew(self, reason: str, ending: Ending = Ending.MODEL_LOST) -> None:
        """`ending`: what this is when no further try is left."""
        leaving = self.life is CallPhase.LEAVING and self._departure is not None
        if leaving or (self.life is CallPhase.GOODBYE and not self._all_heard()):
            return self._lose_model(ending, reason)
        pause_s = self._renewal.next_pause_s(self._desk.now)
        if pause_s is None:
            return self._lose_model(ending, reason)
        if self.link is LinkState.READY:
            self._note(events.ModelDisconnected(reason))
            self._interrupt()
        if self.link is not LinkState.LOST:
            self.link = step_link(self.link, LinkState.LOST)
        self.link = step_link(self.link, LinkState.CONNECTING)
        self._desk.put(do.OpenModel(pause_s))
        return self._desk.wake(Timer.READY, 2 * pause_s + limits.model.MODEL_TRY_MAX_S)

    def _interrupt(self) -> None:
        """The session took with it what it was about to say, and what it had not understood."""
        self._lost_at = self._desk.now
        awaited = Timer.RESPONSE in self._desk.timers
        want = self.responses.restart() or (UNASKED if awaited else None)
        self._forget_session()
        begun = self.memory.words_of(self._answer_item)
        if want is not None and begun:
            self._caller_turns.close()
            want = ResponseRequest("resumed", prompts.go_on(begun))
        elif self._caller_turns.open and want is not None and want.any_will_do:
            want = None  # he is heard again, and answered
        self._break_off()
        self._answer_item = None
        if want is not None:
            self.responses.want_first(want)
        self._say_again(self._caller_turns.since_ms)

    def _forget_session(self) -> None:
        self._forget_speech()
        self._desk.timers.clear(
            Timer.CONFIRM, Timer.RESPONSE, Timer.NUDGE, Timer.IDLE, Timer.SERVER,
            Timer.ROLL, Timer.ROLL_NOW,
        )  # fmt: skip
        self._next.give_up()

    def _heard_again(self, unanswered: bool) -> None:
        """The new session has the caller's sound; a turn that was over is to be answered."""
        self._caller_turns.restart()
        if unanswered and self.responses.idle:
            self._expect_answer()

    @abstractmethod
    def _expect_answer(self) -> None:
        """The server's own response is due."""

    def _lose_model(self, ending: Ending, reason: str) -> None:
        """For good: nothing more comes from it."""
        if self.link is not LinkState.LOST:
            self.link = step_link(self.link, LinkState.LOST)
        self._forget_session()
        self._desk.timers.clear(Timer.WARN, Timer.READY)
        if self.life is CallPhase.LEAVING or (
            self.life is CallPhase.GOODBYE and not self._all_heard()
        ):
            return  # what is still to be heard is on its way to the caller already
        self._end(ending, reason)

    def _on_error(self, event: model.Error) -> None:
        error = event.error
        fault, code = model_errors.sort(error), model_errors.code_of(error)
        self._note(events.ModelErrorReported(fault, code))
        about = error.event_id
        if fault is ModelErrorKind.FATAL:
            self._lose_model(Ending.MODEL_REFUSED, code)
        elif fault is ModelErrorKind.EXPIRED:
            self._renew(code)
        elif about is not None and about == self._session_event:
            self._end(Ending.MODEL_REFUSED, "session_update")
        elif error.code == "conversation_already_has_active_response":
            self.responses.refused_for_another()
        elif about is not None and about == self.responses.event_id:
            self._retry(self.responses.lost() or UNASKED)

    # --- Silent ---

    def _on_peer_fault(self, event: inputs.PeerFaultSeen) -> None:
        if event.peer == "model":
            self._heard_server_at = self._desk.now  # whatever it was that it said
        self._note(events.PeerFaultCounted(event.peer, event.kind))

    def _server_works(self) -> bool:
        """Whether it is at something that takes its time, and says nothing meanwhile."""
        return False

    def _watch_server(self) -> None:
        due = self.responses.busy or Timer.RESPONSE in self._desk.timers
        if self.link is not LinkState.READY or not due or self._server_works():
            self._desk.timers.clear(Timer.SERVER)
        elif Timer.SERVER not in self._desk.timers:
            self._server_due_at = self._desk.now
            self._desk.wake(Timer.SERVER, limits.model.SERVER_SILENCE_MAX_S)

    def _server_silent(self) -> None:
        thinking = self.responses.active_id is not None and self._answer_item is None
        patience_s = (
            limits.model.SERVER_THINKS_MAX_S if thinking else limits.model.SERVER_SILENCE_MAX_S
        )
        late_at = max(self._heard_server_at, self._server_due_at) + patience_s
        if self._desk.now < late_at:
            self._desk.timers.set(Timer.SERVER, late_at)
        elif self._speaking():
            self._desk.wake(Timer.SERVER, limits.model.SERVER_SILENCE_MAX_S)
        else:
            self._renew("silent", Ending.MODEL_SILENT)

    # --- The hour ---

    def _plan_roll(self, expires_at: int | None) -> None:
        left_s = limits.agents.SESSION_MAX_S
        if expires_at is not None and self.unix_offset_s is not None:
            told_s = expires_at - self.unix_offset_s - self._desk.now
            # A clock that is wrong by hours must not have us change sessions all the time.
            left_s = told_s if 0 < told_s < limits.agents.SESSION_MAX_S else left_s
        self._next.plan(left_s)

    def _on_next(self, event: inputs.NextSessionEvent) -> None:
        self._next.on_event(event.event)

    def _on_next_lost(self, _event: inputs.NextSessionLost) -> None:
        self._next.try_again()

    def _roll_if_quiet(self) -> None:
        if not self._next.ready or self.life is not CallPhase.TALKING:
            return
        if not self._in_turn():
            self._roll()

    def _hand_over_if_quiet(self) -> None:
        """All that was said must be known as text: it is what the next process gets."""
        talking = self.life is CallPhase.TALKING and self.link is LinkState.READY
        if self._handing_over and talking and not (self._in_turn() or self._working()):
            self._hand_over()

    def _in_turn(self) -> bool:
        """Whether somebody speaks, is about to, or was not understood yet."""
        return self._caller_speaking or self._caller_turns.open or self._busy()

    def _roll_anyway(self) -> None:
        if not self._next.ready or self.life is not CallPhase.TALKING:
            return
        if self.responses.busy:
            # An answer is not cut for this: if need be the hour cuts it, and it goes on.
            self._desk.wake(Timer.ROLL_NOW, limits.model.ROLL_LOOK_S)
        else:
            self._roll()

    def _roll(self) -> None:
        """The next session takes over, and knows all that was said."""
        for message in self._recall():
            self._desk.put(do.SendToNextSession(message))
        self._desk.put(do.SwitchToNextSession())
        expires_at, since_ms = self._next.expires_at, self._caller_turns.since_ms
        unanswered = self._caller_turns.open and not self._caller_speaking
        if Timer.RESPONSE in self._desk.timers and not self._caller_turns.open:
            self.responses.want_first(UNASKED)  # the server's own was due, and went with it
        self._next.taken()
        self._forget_speech()
        self._desk.timers.clear(Timer.CONFIRM, Timer.RESPONSE, Timer.SERVER)
        self._plan_roll(expires_at)
        self._note(events.ModelReconnected(0.0, "hour"))
        self._say_again(since_ms)
        self._let_hear()
        self._heard_again(unanswered)

    @abstractmethod
    def _let_hear(self) -> None:
        """What was held goes to the session in use."""

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        match timer:
            case Timer.READY:
                self._renew("session", Ending.MODEL_SILENT)
            case Timer.SERVER:
                self._server_silent()
            case Timer.ROLL:
                self._next.open()
            case Timer.ROLL_NOW:
                self._roll_anyway()
            case Timer.WARN if self.link is not LinkState.READY:
                self._desk.wake(Timer.WARN, limits.model.ROLL_LOOK_S)
            case _:
                super()._on_timer(timer)

    def _settle(self) -> None:
        super()._settle()
        self._hand_over_if_quiet()
        self._roll_if_quiet()
        self._watch_server()
