"""How a conversation comes to an end: asked for, announced by a last word, taken back, carried out.

Whoever leaves is heard out first: the model's goodbye, or a word of why, reaches the caller's ear
before the line is given up. Until then he can still change his mind by speaking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events, inputs
from gateway.call.dialogue import end_plan, prompts
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.endings import Ending
from gateway.call.machine import CallLife
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import CallPhase, LinkState, step_phase
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items


class LeavingCall(CallLife):
    def __init__(self, agent: Agent, new_id: Callable[[], str], now: float) -> None:
        super().__init__(agent, new_id, now)
        self._spent_share = 0.0
        self._departure: EndPlan | None = None
        self._gone_by = 0.0
        """When a goodbye is over at the latest, whoever still speaks."""

    def _leaving_table(self) -> dict[type, Callable[[Any], None]]:
        return {
            inputs.HangUpRequested: self._on_hang_up_asked,
            inputs.SpendLimitReached: self._on_spend_reached,
            inputs.TransferFailed: self._on_transfer_failed,
            inputs.SayRequested: self._on_say_asked,
            inputs.ShowImageRequested: self._on_show_asked,
            inputs.TransferRequested: self._on_transfer_asked,
        }

    def _on_hang_up_asked(self, event: inputs.HangUpRequested) -> None:
        self._end(event.ending)

    def _on_spend_reached(self, event: inputs.SpendLimitReached) -> None:
        """All of it: the caller is handed on where somebody is named, and else told goodbye."""
        before, self._spent_share = self._spent_share, max(self._spent_share, event.share)
        if event.share >= 1:
            to = end_plan.to_fallback(self.agent.fallback)
            self._depart(EndPlan(Ending.SPEND_LIMIT, to=to))
        elif not before:
            self._tell_of_spend()

    def _tell_of_spend(self) -> None:
        if self.life is CallPhase.TALKING and self.link is LinkState.READY:
            self._tell_model(prompts.COME_TO_AN_END)
        else:
            self._desk.wake(Timer.SPEND, limits.model.ROLL_LOOK_S)

    # --- An operator's wishes ---

    def _on_say_asked(self, event: inputs.SayRequested) -> None:
        if self.takes_wishes:
            self._want(ResponseRequest("say", prompts.word_for_word(event.text)))

    def _on_show_asked(self, event: inputs.ShowImageRequested) -> None:
        if self.takes_wishes:
            self.memory.saw(event.about)
            item = items.user_image(event.image_url, event.about)
            self._desk.to_model(to_model.item_create(item, self._desk.new_id()))
            self._want(ResponseRequest("image", any_will_do=True))

    def _on_transfer_asked(self, event: inputs.TransferRequested) -> None:
        if self.takes_wishes:
            self._depart(EndPlan(Ending.TRANSFERRED, to=event.to, firm=True))

    # --- Coming to an end ---

    def _depart(self, leaving: EndPlan) -> None:
        """Leaves when the last word is heard; asks for that word if none was said."""
        if self.life is not CallPhase.TALKING:
            return None
        if leaving.call_id is not None and self._caller_speaking and not self._brief:
            return self._revoke(leaving)
        self.life = step_phase(self.life, CallPhase.GOODBYE)
        self._departure = leaving
        self._gone_by = self._desk.now + limits.call.ENDING_MAX_S
        self._desk.timers.clear(Timer.NUDGE, Timer.IDLE)
        self._goodbye_within(limits.call.GOODBYE_MAX_S)
        if leaving.call_id is None or not self._spoke_since_caller:
            self._want(ResponseRequest("farewell", leaving.request))
        return None

    def _goodbye_within(self, seconds: float) -> None:
        """It makes progress: so much longer, but not for ever."""
        self._desk.timers.set(Timer.GOODBYE, min(self._desk.now + seconds, self._gone_by))

    def _must_leave(self) -> bool:
        """Whether the caller can add nothing to the goodbye."""
        leaving = self._departure
        return leaving is not None and (leaving.firm or self._out_of() is not None)

    def _stay(self) -> None:
        """The caller speaks into the goodbye: he has something to add."""
        leaving = self._departure
        if self.life is not CallPhase.GOODBYE or leaving is None:
            return
        if self._must_leave() or self.link is LinkState.LOST:  # then nobody would answer him
            return
        self.life = step_phase(self.life, CallPhase.TALKING)
        self._departure = None
        self._desk.timers.clear(Timer.GOODBYE)
        self.responses.forget("farewell")
        self._revoke(leaving)

    def _revoke(self, leaving: EndPlan) -> None:
        """The caller goes on speaking: the tool that wanted to leave is told so."""
        if leaving.call_id is not None:
            self._output(leaving.call_id, leaving.revoked)
        if leaving.to is not None:
            self._note(events.TransferAttempted("caller_spoke"))

    def _leave(self, reason: str = "") -> None:
        """The last word was heard, or waited for long enough."""
        leaving = self._departure
        if leaving is None or leaving.to is None:
            return self._end(leaving.ending if leaving else Ending.BUG, reason)
        self.life = step_phase(self.life, CallPhase.LEAVING)
        self._desk.timers.clear(Timer.GOODBYE)
        self._desk.wake(Timer.TRANSFER, limits.call.TRANSFER_MAX_S)
        return self._desk.put(leaving.to)

    def _on_transfer_failed(self, event: inputs.TransferFailed) -> None:
        self._return("refused", event.reason)

    def _return(self, outcome: str, reason: str = "") -> None:
        """Nobody took the caller: the model has him back, and knows it."""
        leaving = self._departure
        if self.life is not CallPhase.LEAVING or leaving is None:
            return None
        if leaving.to is None:
            return self._end(leaving.ending, reason or outcome)
        self.life = step_phase(self.life, CallPhase.TALKING)
        self._departure = None
        self._desk.timers.clear(Timer.TRANSFER)
        self._note(events.TransferAttempted(outcome))
        if self.link is LinkState.LOST:
            self._renew(reason)
        if self.life is not CallPhase.TALKING:
            return None
        ending = self._out_of()
        if leaving.call_id is not None:
            self._answer(leaving.call_id, prompts.TRANSFER_FAILED)
        elif ending is None:
            self._want(
                ResponseRequest("transfer_failed", prompts.instructed(prompts.TRANSFER_FAILED))
            )
        return self._depart(EndPlan(ending)) if ending is not None else None

    def _gone(self) -> None:
        """The caller's leg has ended, and not by us."""
        leaving = self._departure
        if self.life is not CallPhase.LEAVING or leaving is None:
            return self._end(Ending.CALLER_HUNG_UP)
        if leaving.to is None:
            return self._end(leaving.ending)
        self._note(events.TransferAttempted("done"))
        return self._end(Ending.TRANSFERRED)

    def _out_of(self) -> Ending | None:
        """Time or money is used up: the call ends under this name, whatever the caller adds."""
        if self._spent_share >= 1:
            return Ending.SPEND_LIMIT
        return None if Timer.LENGTH in self._desk.timers else Ending.MAX_LENGTH

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        match timer:
            case Timer.IDLE:
                self._depart(EndPlan(Ending.IDLE))
            case Timer.LENGTH:
                self._depart(EndPlan(Ending.MAX_LENGTH))
            case Timer.SPEND:
                self._tell_of_spend()
            case Timer.TRANSFER:
                self._return("no_outcome")
            case Timer.GOODBYE:
                self._leave("unheard")
            case _:
                super()._on_timer(timer)

    def _settle(self) -> None:
        super()._settle()
        if self.life is not CallPhase.GOODBYE:
            return
        done = self.responses.idle or self.link is LinkState.LOST
        if done and not self._caller_speaking and self._all_heard():
            self._leave()
