"""A line on which nobody speaks: nudged once, then ended."""

from __future__ import annotations

from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.floor import Floor
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork


class IdleWatch(CallPart):
    """Watch for silence on the line; the end of it (`Timer.IDLE`) is a goodbye."""

    def __init__(self, ctx: CallContext, work: OpenWork, floor: Floor) -> None:
        self._ctx, self._work, self._floor = ctx, work, floor
        self._nudged = False
        self.timers = {Timer.NUDGE: self._nudge}

    def caller_spoke(self) -> None:
        """Begin the silence anew."""
        self._nudged = False
        self._ctx.timers.clear(Timer.NUDGE, Timer.IDLE)

    def _nudge(self) -> None:
        self._nudged = True
        self._ctx.request(ResponseRequest("nudge", prompts.instructed(self._ctx.agent.idle.nudge)))

    def settle(self) -> None:
        ctx = self._ctx
        if not ctx.takes_operator_requests:
            return
        timers, idle = ctx.timers, ctx.agent.idle
        if ctx.caller.surely_speaking or self._floor.busy() or self._work.working:
            timers.clear(Timer.NUDGE, Timer.IDLE)
        elif self._nudged and Timer.IDLE not in timers:
            ctx.wake(Timer.IDLE, idle.end_after_s - idle.nudge_after_s)
        elif not self._nudged and Timer.NUDGE not in timers:
            ctx.wake(Timer.NUDGE, idle.nudge_after_s)
