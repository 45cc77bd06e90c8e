"""A line on which nobody speaks: nudged once, then ended."""

from __future__ import annotations

from gateway.agents.config.agent import Idle
from gateway.call.context import CallContext
from gateway.call.timers import Timer


class IdleWatch:
    def __init__(self, idle: Idle, desk: CallContext) -> None:
        self._idle, self._desk = idle, desk
        self._nudged = False

    def caller_spoke(self) -> None:
        """Or pressed a key: the silence begins anew."""
        self._nudged = False
        self._desk.timers.clear(Timer.NUDGE, Timer.IDLE)

    def nudged(self) -> None:
        self._nudged = True

    def look(self, *, quiet: bool) -> None:
        """Called whenever it may have changed: `quiet` while nobody speaks, or is about to."""
        timers = self._desk.timers
        if not quiet:
            timers.clear(Timer.NUDGE, Timer.IDLE)
        elif self._nudged and Timer.IDLE not in timers:
            self._desk.wake(Timer.IDLE, self._idle.end_after_s - self._idle.nudge_after_s)
        elif not self._nudged and Timer.NUDGE not in timers:
            self._desk.wake(Timer.NUDGE, self._idle.nudge_after_s)
