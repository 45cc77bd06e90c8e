"""When the next response is asked for, and what happens when it does not come."""

from __future__ import annotations

from gateway import limits
from gateway.call.context import CallContext
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.endings import Ending
from gateway.call.part import Part
from gateway.call.responses import UNASKED, ResponseRequest
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model


class ResponseControl(Part):
    """Ask for the next response that is wanted, one at a time, and again when it fails."""

    def __init__(self, ctx: CallContext, goodbye: Goodbye) -> None:
        self._ctx, self._goodbye = ctx, goodbye
        self.timers = {Timer.RESPONSE: self._response_missing}

    def settle(self) -> None:
        ctx = self._ctx
        # The model could not know yet what is being typed.
        if ctx.caller.typing or ctx.link is not LinkState.READY or not ctx.responses.due:
            return
        event_id = ctx.new_id()
        wanted = ctx.responses.next(event_id)
        if wanted is not None:
            ctx.to_model(to_model.response_create(event_id, wanted.response))
            ctx.wake(Timer.RESPONSE, limits.model.RESPONSE_START_MAX_S)

    def _response_missing(self) -> None:
        """Ask again for a response that did not begin, or does not go on."""
        self._ctx.responses.held = self._ctx.caller.speaking
        self.retry(self._ctx.responses.stalled() or UNASKED)

    def retry(self, wanted: ResponseRequest) -> None:
        """Ask again, a few times in a row; then the call cannot go on."""
        ctx = self._ctx
        if ctx.answer.may_retry():
            ctx.request(wanted)
        elif ctx.phase is CallPhase.GOODBYE:
            self._goodbye.leave("unheard")
        elif ctx.phase is CallPhase.TALKING:
            ctx.end(Ending.MODEL_SILENT)
