"""The next session, opened beside the one in use before its hour is up."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from gateway import limits
from gateway.call import commands as do
from gateway.call.context import CallContext
from gateway.call.session import session_audio
from gateway.call.state_machines import LinkState
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class Preparation(StrEnum):
    """How far the session for another agent is."""

    NONE = "none"
    UNDER_WAY = "under_way"
    READY = "ready"
    FAILED = "failed"


class SessionRollover:
    """Plan, open and confirm the session that takes over from the one in use."""

    def __init__(self, session: Mapping[str, Any], ctx: CallContext) -> None:
        self.session, self._ctx = session, ctx
        self._link: LinkState | None = None
        self._change_by: float
        self._retry_s: float
        """Set, like the time before it, when the end of the session in use is known."""
        self.for_agent = False
        """Whether the session is another agent's, which decides itself when it takes over."""
        self.refused = False
        """Whether the server refused what the last session asked for."""
        self.expires_at: int | None = None

    @property
    def open_or_opening(self) -> bool:
        return self._link is not None

    @property
    def ready(self) -> bool:
        return self._link is LinkState.READY

    def plan(self, left_s: float) -> None:
        """Set the timers: the session in use ends so many seconds from now."""
        before_s = min(limits.model.ROLL_BEFORE_S, left_s * limits.model.ROLL_BEFORE_SHARE)
        self._retry_s = before_s / 8
        self._ctx.wake(Timer.ROLL, left_s - before_s)
        left_for_quiet_s = before_s * limits.model.ROLL_QUIET_MAX_SHARE
        self._change_by = self._ctx.now + left_s - before_s + left_for_quiet_s

    def open(self, *, for_agent: bool = False) -> None:
        self._link, self.for_agent, self.refused = LinkState.CONNECTING, for_agent, False
        self._ctx.put(do.OpenNextSession(str(self.session.get("model", ""))))

    def on_event(self, event: object) -> None:
        """Handle an event of the second connection."""
        if isinstance(event, model.SessionCreated) and self._link is LinkState.CONNECTING:
            self._link = LinkState.CONFIGURING
            update = to_model.session_update(self.session, self._ctx.new_id())
            self._ctx.put(do.SendToNextSession(update))
        elif isinstance(event, model.SessionUpdated) and self._link is LinkState.CONFIGURING:
            self._confirm(event)
        elif isinstance(event, model.Error) and self._link is not None:
            self.refused = self._link is LinkState.CONFIGURING
            self.try_again()

    def _confirm(self, event: model.SessionUpdated) -> None:
        if not session_audio.echoes(self.session.get("audio", {}), event.session.audio):
            return self.try_again()
        self._link, self.expires_at = LinkState.READY, event.session.expires_at
        if self.for_agent:
            return None
        return self._ctx.timers.set(Timer.ROLL_NOW, max(self._change_by, self._ctx.now))

    def try_again(self) -> None:
        """Try again later: the session could not be opened, or was lost while it waited."""
        if self._link is None:
            return
        self.give_up()
        if not self.for_agent:
            self._ctx.wake(Timer.ROLL, self._retry_s)

    def give_up(self) -> None:
        if self._link is not None:
            self._link = None
            self._ctx.timers.clear(Timer.ROLL, Timer.ROLL_NOW)
            self._ctx.put(do.CloseNextSession())

    def taken(self) -> None:
        """Forget it: the session is the one in use now."""
        self._link = None
        self._ctx.timers.clear(Timer.ROLL, Timer.ROLL_NOW)
