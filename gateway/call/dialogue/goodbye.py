"""How a conversation ends: decided, announced by a last word, revoked, carried out.

The model's goodbye is heard to its end, and functions that were begun have ended, before the line
is given up. Until then the caller can still revoke it by speaking.
"""

from __future__ import annotations

from typing import Any, Final

from gateway import limits
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import end_plan, prompts
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.dialogue.recording import TYPING, CallRecording
from gateway.call.endings import Ending
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.session.model_link import ModelLink
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.protocols import realtime_items as items

_UNFINISHED: Final = "work_unfinished"
"""Reason of an end at which a function still runs; it finishes beside the call, or is cancelled."""


class Goodbye(CallPart):
    """Why the call ends or where the caller goes, from the decision until it has happened."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: CallerLine,
        link: ModelLink,
        recording: CallRecording,
    ) -> None:
        self._ctx, self._work, self._line, self._link = ctx, work, line, link
        self._recording = recording
        self._spent_share = 0.0
        self._heard_at: float | None = None
        """When the goodbye had been heard, and only a function was waited for."""
        self.plan: EndPlan | None = None
        self.handlers = {
            inputs.HangUpRequested: self._on_hang_up_requested,
            inputs.SpendLimitReached: self._on_spend_limit_reached,
            inputs.TransferFailed: self._on_transfer_failed,
            inputs.SayRequested: self._on_say_requested,
            inputs.ShowImageRequested: self._on_show_image_requested,
            inputs.TransferRequested: self._on_transfer_requested,
            line.ended_event: self._on_caller_ended,
        }
        self.timers = {
            Timer.IDLE: lambda: self.start(EndPlan(Ending.IDLE)),
            Timer.LENGTH: lambda: self.start(EndPlan(Ending.MAX_LENGTH)),
            Timer.WARN: self._warn,
            Timer.SPEND: self._notify_of_spend,
            Timer.TRANSFER: lambda: self._return("no_outcome"),
            Timer.GOODBYE: self._overdue,
        }

    @property
    def leaves_message(self) -> bool:
        """Whether the last word is a message for a machine."""
        return self.plan is not None and self.plan.message is not None

    @property
    def awaits_secret(self) -> bool:
        """Whether the caller is about to type a secret, and may be typing it already."""
        return self.plan is not None and self.plan.collects

    def _on_hang_up_requested(self, event: inputs.HangUpRequested) -> None:
        """End at once; the reason tells of functions that nobody waits for."""
        self._ctx.end(event.ending, _UNFINISHED if self._work.under_way else "")

    def _on_spend_limit_reached(self, event: inputs.SpendLimitReached) -> None:
        """Transfer the caller to the fallback, or say goodbye, when all of it is spent."""
        before, self._spent_share = self._spent_share, max(self._spent_share, event.share)
        if event.share >= 1:
            to = end_plan.to_fallback(self._ctx.agent.fallback)
            self.start(EndPlan(Ending.SPEND_LIMIT, to=to))
        elif not before:
            self._notify_of_spend()

    def _notify_of_spend(self) -> None:
        if self._ctx.takes_operator_requests:
            self._ctx.notify_model(prompts.COME_TO_AN_END)
        else:
            self._ctx.wake(Timer.SPEND, limits.model.ROLL_LOOK_S)

    def _warn(self) -> None:
        """Tell the model that the call's longest time is nearly over."""
        if self._ctx.link is LinkState.READY:
            self._ctx.notify_model(self._ctx.agent.goodbye)
        else:
            self._ctx.wake(Timer.WARN, limits.model.ROLL_LOOK_S)

    # --- An operator's requests ---

    def _on_say_requested(self, event: inputs.SayRequested) -> None:
        if self._ctx.takes_operator_requests:
            self._ctx.request(ResponseRequest("say", prompts.word_for_word(event.text)))

    def _on_show_image_requested(self, event: inputs.ShowImageRequested) -> None:
        if self._ctx.takes_operator_requests:
            self._ctx.history.saw(event.about)
            self._ctx.create_item(items.user_image(event.image_url, event.about))
            self._ctx.request(ResponseRequest("image", any_will_do=True))

    def _on_transfer_requested(self, event: inputs.TransferRequested) -> None:
        if self._ctx.takes_operator_requests:
            self.start(EndPlan(Ending.TRANSFERRED, to=event.to, firm=True))

    # --- Coming to an end ---

    def start(self, plan: EndPlan) -> None:
        """Leave when the last word is heard; ask for that word if none was said."""
        ctx = self._ctx
        if ctx.phase is not CallPhase.TALKING:
            return None
        asked = plan.call_id is not None
        if asked and ctx.caller.speaking and not ctx.caller.brief:
            return self._revoke(plan)
        self.plan, self._heard_at = plan, None
        ctx.timers.clear(Timer.NUDGE, Timer.IDLE)
        ctx.start_goodbye()
        if asked:  # the model may be saying it already
            ctx.extend_goodbye(self._line.goodbye_max_s)
        if not asked or not ctx.answer.since_caller:
            ctx.request(ResponseRequest("farewell", plan.request))
        return None

    def caller_adds(self) -> None:
        """Revoke the goodbye: the caller speaks into it and has something to add."""
        ctx, plan = self._ctx, self.plan
        if ctx.phase is not CallPhase.GOODBYE or plan is None:
            return
        must_end = plan.firm or self._used_up() is not None
        if must_end or ctx.link is LinkState.LOST:  # then nobody would answer the caller
            return
        ctx.move_to(CallPhase.TALKING)
        self.plan = None
        ctx.timers.clear(Timer.GOODBYE)
        ctx.responses.forget("farewell")
        self._revoke(plan)

    def _revoke(self, plan: EndPlan) -> None:
        """Tell the tool that asked for it: the caller goes on speaking."""
        if plan.call_id is not None:
            self._work.output(plan.call_id, plan.revoked)
        if plan.to is not None and not plan.collects:
            self._ctx.put(events.TransferAttempted("caller_spoke"))

    def carry_out(self, reason: str = "") -> None:
        """Carry it out: the last word was heard, or waited for long enough."""
        ctx, plan = self._ctx, self.plan
        if plan is None or plan.to is None:
            return ctx.end(plan.ending if plan else Ending.BUG, reason)
        ctx.move_to(CallPhase.TRANSFERRING)
        ctx.timers.clear(Timer.GOODBYE)
        ctx.wake(Timer.TRANSFER, limits.call.TRANSFER_MAX_S)
        if isinstance(plan.to, do.CollectSecret):
            ctx.put(events.SecretInputStarted(plan.to.kind, plan.to.name))
            self._recording.pause(TYPING)
        return ctx.put(plan.to)

    def session_given_up(self, ending: Ending, reason: str) -> None:
        """Carry out what was decided before; otherwise the call ends."""
        if self._ctx.phase is CallPhase.GOODBYE:
            self.carry_out(reason)
        elif self._ctx.phase is not CallPhase.TRANSFERRING:
            self._ctx.end(ending, reason)

    def release_call(self) -> None:
        """Release the call to another process, at once."""
        ctx = self._ctx
        ctx.move_to(CallPhase.TRANSFERRING)
        self.plan = EndPlan(Ending.DRAINED)
        ctx.timers.clear(
            Timer.HAND_OVER, Timer.GOODBYE, Timer.NUDGE, Timer.IDLE, Timer.LENGTH, Timer.WARN
        )
        ctx.wake(Timer.TRANSFER, limits.call.TRANSFER_MAX_S)
        ctx.put(do.ReleaseCall())
        self._line.retain_turn(True)  # the next process may have to hear all of it again

    def _on_transfer_failed(self, event: inputs.TransferFailed) -> None:
        self._return("refused", event.reason)

    def _return(self, outcome: str, reason: str = "") -> None:
        """Go on with a caller whom nobody took; the model learns of it."""
        ctx, plan = self._ctx, self.plan
        if ctx.phase is not CallPhase.TRANSFERRING or plan is None:
            return None
        if plan.to is None:
            return ctx.end(plan.ending, reason or outcome)
        ctx.move_to(CallPhase.TALKING)
        self.plan = None
        ctx.timers.clear(Timer.TRANSFER)
        if isinstance(plan.to, do.CollectSecret):
            ctx.put(events.SecretInputEnded(plan.to.kind, plan.to.name, "failed"))
            self._recording.unpause(TYPING)
        else:
            ctx.put(events.TransferAttempted(outcome))
        if ctx.link is LinkState.LOST:
            self._link.renew(reason)
        if ctx.ending is not None:
            return None  # the model cannot be reached any more
        ending = self._used_up()
        if plan.call_id is not None:
            self._work.answer(plan.call_id, plan.failed)
        elif ending is None:
            failed = prompts.instructed(prompts.TRANSFER_FAILED)
            ctx.request(ResponseRequest("transfer_failed", failed))
        return self.start(EndPlan(ending)) if ending is not None else None

    def _on_caller_ended(self, event: Any) -> None:
        """End with the caller's leg, which has ended, and not by us."""
        ctx, plan = self._ctx, self.plan
        if not self._line.owns(event):
            return None
        if ctx.phase is not CallPhase.TRANSFERRING or plan is None:
            return ctx.end(Ending.CALLER_HUNG_UP)
        if plan.to is None or plan.collects:
            return ctx.end(plan.ending)
        ctx.put(events.TransferAttempted("done"))
        return ctx.end(Ending.TRANSFERRED)

    def _used_up(self) -> Ending | None:
        """Return the name of the end when time or money is used up, whatever the caller adds."""
        if self._spent_share >= 1:
            return Ending.SPEND_LIMIT
        return None if Timer.LENGTH in self._ctx.timers else Ending.MAX_LENGTH

    def settle(self) -> None:
        ctx = self._ctx
        if ctx.phase is not CallPhase.GOODBYE:
            return None
        done = ctx.responses.idle or ctx.link is LinkState.LOST
        if not done or ctx.caller.speaking or not self._line.all_heard():
            return None
        if not self._work.under_way:
            return self.carry_out()
        if self._heard_at is None:
            self._heard_at = ctx.now
        # What the function brings may still be told; that takes no more time than this either.
        left_s = self._heard_at + limits.call.WORK_AFTER_GOODBYE_MAX_S - ctx.now
        return self.carry_out(_UNFINISHED) if left_s <= 0 else ctx.extend_goodbye(left_s)

    def _overdue(self) -> None:
        """End although not all was heard, or done."""
        heard = self._line.all_heard() and self._ctx.responses.idle
        self.carry_out(_UNFINISHED if heard and self._work.under_way else "unheard")
