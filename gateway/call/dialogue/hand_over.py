"""Hand-over of the call to another process, because this one stops."""

from __future__ import annotations

from gateway import limits
from gateway.call import inputs
from gateway.call.context import CallContext
from gateway.call.dialogue.floor import Floor
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.part import CallPart
from gateway.call.session.model_link import ModelLink
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork


class HandOver(CallPart):
    """Hand the call over in a quiet moment, or when there has been none for long enough."""

    def __init__(
        self, ctx: CallContext, work: OpenWork, link: ModelLink, floor: Floor, goodbye: Goodbye
    ) -> None:
        self._ctx, self._work, self._link = ctx, work, link
        self._floor, self._goodbye = floor, goodbye
        self._requested = False
        self.handlers = {inputs.HandOverRequested: self._on_requested}
        self.timers = {Timer.HAND_OVER: self._hand_over_anyway}

    def _on_requested(self, event: inputs.HandOverRequested) -> None:
        self._requested = True
        if event.now and self._ctx.phase in (CallPhase.TALKING, CallPhase.GOODBYE):
            self._goodbye.release_call()
        elif Timer.HAND_OVER not in self._ctx.timers:
            self._ctx.wake(Timer.HAND_OVER, limits.model.HAND_OVER_QUIET_MAX_S)

    def _hand_over_anyway(self) -> None:
        if self._ctx.phase is CallPhase.TALKING:
            self._goodbye.release_call()

    def settle(self) -> None:
        # All that was said must be known as text: the text is what the next process gets.
        if not self._requested or not self._ctx.takes_operator_requests:
            return
        in_turn = self._ctx.caller.speaking or self._link.replay_window.open or self._floor.busy()
        if not in_turn and not self._work.working:
            self._goodbye.release_call()
