"""When the next response is asked for, and what happens when it does not come."""

from __future__ import annotations

from gateway import limits
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.endings import Ending
from gateway.call.part import CallPart
from gateway.call.responses import UNASKED, ResponseRequest
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model


class ResponseControl(CallPart):
    """Ask for the next response that is wanted, one at a time, and again when it fails."""

    def __init__(self, ctx: CallContext, goodbye: Goodbye) -> None:
        self._ctx, self._goodbye = ctx, goodbye
        self.timers = {Timer.RESPONSE: self._response_missing, Timer.RETRY: self._pause_over}

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

    def session_lost(self) -> None:
        """Another session, or another connection, is asked at once."""
        self._pause_over()

    def _pause_over(self) -> None:
        self._ctx.responses.go_on()
        self._ctx.timers.clear(Timer.RETRY)

    def _response_missing(self) -> None:
        """Ask again for a response that did not begin, or does not go on."""
        if self._ctx.answer.sounded:
            return self._take_for_over()
        self._ctx.responses.deferred = self._ctx.caller.speaking
        return self.retry(self._ctx.responses.stalled() or UNASKED)

    def _take_for_over(self) -> None:
        """Wait no more for the end of a response that was heard: the event must have been lost."""
        ctx = self._ctx
        ctx.responses.stalled()
        ctx.answer.over()
        ctx.put(events.ModelErrorReported(ModelErrorKind.RECOVERABLE, "response_without_end"))

    def retry(self, wanted: ResponseRequest, pause_s: float = 0.0) -> None:
        """Ask again after a pause, a few times in a row; then the call cannot go on.

        Meanwhile the caller hears the hold tone, where the line has one.
        """
        ctx = self._ctx
        if pause_s <= limits.model.RETRY_PAUSE_MAX_S and ctx.answer.may_retry():
            ctx.request(wanted)
            if pause_s > 0:
                ctx.responses.pause(pause_s)
                ctx.wake(Timer.RETRY, pause_s)
        elif ctx.phase is CallPhase.GOODBYE:
            self._goodbye.carry_out("unheard")
        elif ctx.phase is CallPhase.TALKING:
            ctx.end(Ending.MODEL_SILENT)
