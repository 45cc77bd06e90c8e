"""The sideband of a SIP call: a control connection to a session that lives as long as its leg.

The session was configured when the call was accepted. The loss of the sideband does not end the
call, and the call's end looks like its loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.session import session_change
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.endings import Ending
from gateway.call.line.sip_line import SipLine
from gateway.call.part import CallPart
from gateway.call.responses import STOPGAPS, ResponseRequest
from gateway.call.session.replay_window import ReplayWindow
from gateway.call.session.rollover import Preparation
from gateway.call.session.session_audio import TurnRules
from gateway.call.session.session_loss import OF_A_SESSION, needs_no_model
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model


class Sideband(CallPart):
    """The connection over which we steer, and which can be attached again."""

    session_lives_on = True
    """Whether the session outlives its connection."""

    def __init__(
        self, ctx: CallContext, work: OpenWork, line: SipLine, session: Mapping[str, Any]
    ) -> None:
        self._ctx, self._work, self._line, self._session = ctx, work, line, session
        self.session_event: str | None = None
        """The id of the `session.update` that changes the session for another agent."""
        self.preparation = Preparation.NONE
        self._following = session
        self._updates_due = 0
        """Updates that the server has not confirmed."""
        self._undo_due = False
        """Whether the session is another agent's, who does not lead the call after all."""
        self.rules = TurnRules.of(session)
        self.replay_window = ReplayWindow()
        self._attached_at: float | None = None
        self._losses = 0
        """Sidebands in a row that did not hold."""
        self.handlers = {
            inputs.CallAccepted: self._on_call_accepted,
            inputs.ModelOpened: self._on_model_opened,
            inputs.ModelLost: self._on_model_lost,
            model.SessionUpdated: self._on_session_updated,
        }
        self.timers = {Timer.READY: self._not_attached}
        ctx.wake(Timer.READY, limits.sip.SIDEBAND_MAX_S)

    def session_refused(self) -> None:
        """Keep the session as it is: another agent's was refused."""
        self.session_event = None
        self._updates_due = max(0, self._updates_due - 1)
        self.preparation = Preparation.FAILED  # it is known by its id only while it is prepared

    @property
    def unseen(self) -> bool:
        """Whether the session goes on without our seeing it: nobody knows what the caller hears."""
        return Timer.READY in self._ctx.timers

    @property
    def losses(self) -> int:
        """How many sidebands in a row did not hold."""
        return self._losses

    def _on_call_accepted(self, _event: inputs.CallAccepted) -> None:
        if self._ctx.phase is CallPhase.EXPECTED:
            self._ctx.arrive()
            self._ctx.wake(Timer.READY, limits.sip.SIDEBAND_MAX_S)

    def _on_model_opened(self, _event: inputs.ModelOpened) -> None:
        ctx = self._ctx
        if ctx.phase is CallPhase.EXPECTED or ctx.link is LinkState.READY:
            return
        if ctx.link is LinkState.LOST:
            ctx.move_link(LinkState.CONNECTING)
        ctx.move_link(LinkState.READY)
        ctx.timers.clear(Timer.READY)
        now, again = ctx.now, self._attached_at is not None
        since = now if ctx.arrived_at is None else ctx.arrived_at
        ctx.put(events.SidebandConnected(now - since, again=again))
        self._attached_at = now
        if self._undo_due:
            self._undo()
        if not self._line.all_heard():
            ctx.extend_goodbye(ctx.patience.goodbye_max_s)
        if self._work.send_unsent() and not again:  # whoever asked for these is gone
            ctx.request(ResponseRequest("tool_output", any_will_do=True))

    def _on_model_lost(self, event: inputs.ModelLost) -> None:
        """Attach again; meanwhile what we knew of the call's state is void."""
        ctx = self._ctx
        held_s = ctx.now - (self._attached_at or 0.0)
        self._losses = 0 if held_s >= limits.sip.SIDEBAND_STEADY_S else self._losses + 1
        if ctx.link is not LinkState.READY or self._losses > limits.sip.SIDEBAND_LOSSES_MAX:
            ending = Ending.MODEL_REFUSED if event.refused else Ending.MODEL_LOST
            return self._give_up(ending, event.reason)
        ctx.move_link(LinkState.LOST)
        ctx.session_unseen()
        ctx.responses.restart()  # what was asked for may be heard; what waits was told to nobody
        ctx.responses.forget(*STOPGAPS)
        self._line.latency.abandon()
        ctx.caller.forget_speech()
        self._line.sideband_lost()
        self._updates_due = 0
        if self.preparation is not Preparation.NONE:
            self.preparation = Preparation.FAILED
        ctx.timers.clear(Timer.RESPONSE, Timer.CONFIRM, Timer.SPEECH, Timer.NUDGE, Timer.IDLE)
        ctx.wake(Timer.READY, limits.sip.SIDEBAND_MAX_S)
        return ctx.put(do.ReattachSideband())

    def _not_attached(self) -> None:
        if self._ctx.arrived_at is not None:
            self._give_up(Ending.MODEL_LOST, "no_sideband")
        else:
            self.fail(Ending.MODEL_SILENT, "session")

    def _give_up(self, ending: Ending, reason: str) -> None:
        self._ctx.timers.clear(Timer.READY)
        self._ctx.session_given_up(ending, reason)

    def renew(self, reason: str, ending: Ending = Ending.MODEL_LOST) -> None:
        """Give up: a session that fails takes its leg with it."""
        self.fail(ending, reason)

    def fail(self, ending: Ending, reason: str) -> None:
        """Give up the model for good: nothing more comes from it."""
        ctx = self._ctx
        if ctx.link is not LinkState.LOST:
            ctx.move_link(LinkState.LOST)
        ctx.caller.forget_speech()
        ctx.timers.clear(*OF_A_SESSION)
        ctx.session_lost()
        ctx.timers.clear(Timer.WARN, Timer.READY)
        if not needs_no_model(ctx, self._line):
            ctx.end(ending, reason)

    def configure_anew(self, session: Mapping[str, Any]) -> None:
        """Take what the session was accepted with: it is decided on before that."""
        self._session, self.rules = session, TurnRules.of(session)

    # --- Another agent in the same session ---

    def prepare(self, agent: Agent, session: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Change the session to another agent's: on this path there cannot be a second one.

        `agent` is of no use here: what the session cannot change was looked at when the file
        was read.
        """
        self._following, self._undo_due = session, False
        if self._ctx.link is not LinkState.READY:
            self.preparation = Preparation.FAILED
            return
        self.preparation = Preparation.UNDER_WAY
        self.session_event = self._update(self._session, session)

    def change_over(self) -> None:
        """Take the session for the other agent's, as the server has confirmed it."""
        self.preparation, self.session_event = Preparation.NONE, None
        self._session = self._following
        self.rules = TurnRules.of(self._session)

    def drop_preparation(self) -> None:
        """Change the session back: the agent there is goes on."""
        self.preparation, self.session_event = Preparation.NONE, None
        if self._ctx.link is LinkState.READY:
            self._undo()
        else:
            self._undo_due = True

    def _undo(self) -> None:
        self._undo_due = False
        self._update(self._following, self._session)

    def _update(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
        event_id = self._ctx.new_id()
        self._updates_due += 1
        self._ctx.to_model(to_model.session_update(session_change(before, after), event_id))
        return event_id

    def _on_session_updated(self, _event: model.SessionUpdated) -> None:
        self._updates_due = max(0, self._updates_due - 1)
        if self.preparation is Preparation.UNDER_WAY and not self._updates_due:
            self.preparation = Preparation.READY
