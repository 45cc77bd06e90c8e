"""The session with the model on a media call: opened, lost, reconnected, changed before its hour.

The conversation outlives the connection. A new session is told what was said; what the caller
says meanwhile is buffered for it; an answer that broke off goes on where it was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.session import essential_session, session_change
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.line.media_line import MediaLine
from gateway.call.part import CallPart
from gateway.call.responses import UNASKED, ResponseRequest
from gateway.call.session import session_audio
from gateway.call.session.opening_items import OpeningItems
from gateway.call.session.reconnect import ReconnectPolicy
from gateway.call.session.replay_window import ReplayWindow
from gateway.call.session.rollover import Preparation, SessionRollover
from gateway.call.session.session_audio import TurnRules
from gateway.call.session.session_loss import OF_A_SESSION, needs_no_model
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items
from gateway.protocols import realtime_server as model


class ModelSession(CallPart):
    """The connection whose session we configure, and which we replace."""

    unseen = False
    """Whether the session goes on without our seeing it."""
    session_lives_on = False
    """Whether the session outlives its connection."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: MediaLine,
        session: Mapping[str, Any],
        opening: OpeningItems,
    ) -> None:
        """`session` is what the agent asks of the model."""
        self._ctx, self._work, self._line, self._session = ctx, work, line, session
        self._opening = opening
        self.rules = TurnRules.of(session)
        self.replay_window = ReplayWindow()
        self.session_event: str | None = None
        """The id of the `session.update` that configured the session in use."""
        self._reconnect = ReconnectPolicy(ctx.now, ctx.patience.reconnect_pauses_s)
        self.next_session = SessionRollover(session, ctx)
        self._preparing = False
        """Whether the next session is, or was to be, another agent's."""
        self._ends_at = ctx.now + limits.agents.SESSION_MAX_S
        self._was_ready = False
        self._lost_at = self._server_due_at = ctx.now
        self.handlers = {
            inputs.ModelLost: self._on_model_lost,
            inputs.NextSessionEvent: self._on_next_session_event,
            inputs.NextSessionLost: self._on_next_session_lost,
            inputs.HistoryRestored: self._on_history_restored,
            model.SessionCreated: self._on_session_created,
            model.SessionUpdated: self._on_session_updated,
        }
        self.timers = {
            Timer.READY: lambda: self.renew("session", Ending.MODEL_SILENT),
            Timer.SERVER: self._server_silent,
            Timer.ROLL: self._open_next,
            Timer.ROLL_NOW: self._roll_anyway,
        }
        ctx.wake(Timer.READY, ctx.patience.session_max_s)

    # --- Ready ---

    def _on_session_created(self, _event: model.SessionCreated) -> None:
        ctx = self._ctx
        if ctx.link is not LinkState.CONNECTING:
            return
        ctx.move_link(LinkState.CONFIGURING)
        self._configure()

    def _configure(self) -> None:
        self.session_event = self._ctx.new_id()
        self._ctx.to_model(to_model.session_update(self._session, self.session_event))

    def session_refused(self) -> None:
        """Ask once more without the optional parts; without any the call cannot be held."""
        ctx = self._ctx
        essential = essential_session(ctx.agent, self._session)
        if ctx.link is not LinkState.CONFIGURING or essential == self._session:
            return ctx.end(Ending.MODEL_REFUSED, "session_update")
        self._session = self.next_session.session = essential
        return self._configure()

    def _on_session_updated(self, event: model.SessionUpdated) -> None:
        ctx = self._ctx
        if ctx.link is not LinkState.CONFIGURING:
            return None
        if not session_audio.echoes(self._session.get("audio", {}), event.session.audio):
            return ctx.end(Ending.MODEL_REFUSED, "audio_format")
        ctx.move_link(LinkState.READY)
        ctx.timers.clear(Timer.READY)
        self._reconnect.confirmed(ctx.now)
        self._report_ready(event.session.expires_at)
        self._plan_roll(event.session.expires_at)
        for message in self._recall():
            ctx.to_model(message)
        self._line.release_buffer()
        self._heard_again(self.replay_window.open)
        return ctx.session_ready()

    def _report_ready(self, expires_at: int | None) -> None:
        ctx = self._ctx
        if self._was_ready:
            ctx.put(events.ModelReconnected(ctx.now - self._lost_at, "lost"))
        else:
            self._was_ready = True
            ctx.put(events.ModelReady(ctx.now - ctx.announced_at, expires_at))

    def _recall(self) -> list[bytes]:
        """Return what is known and what was said so far, for a session that was not there."""
        known, said = self._opening.for_session(), self._ctx.history.replay()
        if said:
            said.insert(0, items.system_text(prompts.RECALLED))
        return [to_model.item_create(item, self._ctx.new_id()) for item in (*known, *said)]

    def _on_history_restored(self, event: inputs.HistoryRestored) -> None:
        """Correct what this session was told when it began."""
        ctx = self._ctx
        corrections = ctx.history.catch_up(event.items)
        ctx.history.interrupted(prompts.OF_PENDING_CALLS, prompts.NOT_KNOWN)
        if ctx.link is LinkState.READY:
            for replay in corrections:
                ctx.retell(replay)

    # --- Lost ---

    def _on_model_lost(self, event: inputs.ModelLost) -> None:
        if self._ctx.link is LinkState.LOST:
            return
        if event.refused:
            self.fail(Ending.MODEL_REFUSED, event.reason)
        else:
            self.renew(event.reason)

    def renew(self, reason: str, ending: Ending = Ending.MODEL_LOST) -> None:
        """Open another session; `ending` is what this comes to when no further try is left."""
        ctx = self._ctx
        if needs_no_model(ctx, self._line):
            return self.fail(ending, reason)
        pause_s = self._reconnect.next_pause_s(ctx.now)
        if pause_s is None:
            return self.fail(ending, reason)
        if ctx.link is LinkState.READY:
            ctx.put(events.ModelDisconnected(reason))
            self._interrupt()
        if ctx.link is not LinkState.LOST:
            ctx.move_link(LinkState.LOST)
        ctx.move_link(LinkState.CONNECTING)
        ctx.put(do.OpenModel(pause_s))
        return ctx.wake(Timer.READY, 2 * pause_s + ctx.patience.session_max_s)

    def _interrupt(self) -> None:
        """Keep what the session was about to say, and what it had not understood."""
        ctx, window = self._ctx, self.replay_window
        self._lost_at = ctx.now
        awaited = Timer.RESPONSE in ctx.timers
        wanted = ctx.responses.restart() or (UNASKED if awaited else None)
        self._forget_session()
        begun = ctx.history.words_of(ctx.answer.item_id)
        if wanted is not None and begun:
            window.close()
            wanted = ResponseRequest("resumed", prompts.go_on(begun))
        elif window.open and wanted is not None and wanted.any_will_do:
            wanted = None  # the caller is heard again, and answered
        self._line.break_off()
        ctx.answer.over()
        if wanted is not None:
            ctx.responses.request_first(wanted)
        self._line.buffer_since(window.since_ms)

    def _forget_session(self) -> None:
        ctx = self._ctx
        ctx.caller.forget_speech()
        ctx.timers.clear(*OF_A_SESSION)
        self.next_session.give_up()
        ctx.session_lost()

    def _heard_again(self, unanswered: bool) -> None:
        """The new session has the caller's sound; a turn that was over is to be answered.

        The server hears the turn again, and ends it again. Should it not, we ask for the answer:
        after what waits already, or when the server has had its time.
        """
        self.replay_window.restart()
        if not unanswered:
            return
        if self._ctx.responses.idle:
            self._ctx.await_response()
        else:
            self._ctx.request(UNASKED)

    def fail(self, ending: Ending, reason: str) -> None:
        """Give up the model for good: nothing more comes from it."""
        ctx = self._ctx
        if ctx.link is not LinkState.LOST:
            ctx.move_link(LinkState.LOST)
        self._forget_session()
        ctx.timers.clear(Timer.WARN, Timer.READY)
        if not needs_no_model(ctx, self._line):
            ctx.end(ending, reason)

    # --- A server that is silent ---

    def _watch_server(self) -> None:
        ctx = self._ctx
        due = ctx.responses.busy or Timer.RESPONSE in ctx.timers
        # While it runs a tool of its own it says nothing, and may take its time.
        if ctx.link is not LinkState.READY or not due or self._work.hosted.running:
            ctx.timers.clear(Timer.SERVER)
        elif Timer.SERVER not in ctx.timers:
            self._server_due_at = ctx.now
            ctx.wake(Timer.SERVER, limits.model.SERVER_SILENCE_MAX_S)

    def _server_silent(self) -> None:
        ctx = self._ctx
        thinking = ctx.responses.active_id is not None and ctx.answer.item_id is None
        patience_s = (
            limits.model.SERVER_THINKS_MAX_S if thinking else limits.model.SERVER_SILENCE_MAX_S
        )
        late_at = max(ctx.heard_server_at, self._server_due_at) + patience_s
        if ctx.now < late_at:
            ctx.timers.set(Timer.SERVER, late_at)
        elif self._line.speaking():
            ctx.wake(Timer.SERVER, limits.model.SERVER_SILENCE_MAX_S)
        else:
            self.renew("silent", Ending.MODEL_SILENT)

    # --- The session's longest time ---

    def _plan_roll(self, expires_at: int | None) -> None:
        ctx, left_s = self._ctx, limits.agents.SESSION_MAX_S
        if expires_at is not None and ctx.wall_clock is not None:
            reported_s = expires_at - ctx.wall_clock.unix_s(ctx.now)
            # A clock that is wrong by hours must not have us change sessions all the time.
            left_s = reported_s if 0 < reported_s < limits.agents.SESSION_MAX_S else left_s
        self._ends_at = ctx.now + left_s
        self.next_session.plan(left_s)

    def _open_next(self) -> None:
        if not self._preparing:  # otherwise there is a new plan when that is over
            self.next_session.open()

    def _on_next_session_event(self, event: inputs.NextSessionEvent) -> None:
        self.next_session.on_event(event.event)

    def _on_next_session_lost(self, _event: inputs.NextSessionLost) -> None:
        self.next_session.try_again()

    def settle(self) -> None:
        self._roll_if_quiet()
        self._watch_server()

    def _roll_if_quiet(self) -> None:
        if not self.next_session.ready or self._ctx.phase is not CallPhase.TALKING:
            return
        if self.next_session.for_agent:
            return
        ctx = self._ctx
        # Whether somebody speaks, is about to, or was not understood yet.
        in_turn = ctx.caller.speaking or self.replay_window.open
        busy = ctx.awaited or self._line.speaking() or self._work.goes_with_session
        if not (in_turn or busy):
            self._roll("hour")

    def _roll_anyway(self) -> None:
        if not self.next_session.ready or self._ctx.phase is not CallPhase.TALKING:
            return
        if self._ctx.responses.busy:
            # An answer is not cut for this: if need be the hour cuts it, and it goes on.
            self._ctx.wake(Timer.ROLL_NOW, limits.model.ROLL_LOOK_S)
        else:
            self._roll("hour")

    def _roll(self, cause: str) -> None:
        """Change over to the next session, which is told all that was said."""
        ctx, window = self._ctx, self.replay_window
        ctx.session_changes()
        for message in self._recall():
            ctx.put(do.SendToNextSession(message))
        ctx.put(do.SwitchToNextSession())
        expires_at, since_ms = self.next_session.expires_at, window.since_ms
        unanswered = window.open and not ctx.caller.speaking
        if Timer.RESPONSE in ctx.timers and not window.open:
            ctx.responses.request_first(UNASKED)  # the server's own was due, and went with it
        self.next_session.taken()
        ctx.caller.forget_speech()
        ctx.timers.clear(Timer.CONFIRM, Timer.SPEECH, Timer.RESPONSE, Timer.SERVER)
        self._plan_roll(expires_at)
        ctx.put(events.ModelReconnected(0.0, cause))
        self._line.buffer_since(since_ms)
        self._line.release_buffer()
        self._heard_again(unanswered)

    # --- Another decision before the first word ---

    def configure_anew(self, session: Mapping[str, Any]) -> None:
        """Ask the session in use for something else, before anybody has spoken.

        The model is the connection's: with another one it is opened anew.
        """
        ctx, before = self._ctx, self._session
        if session == before:
            return None
        self._session = self.next_session.session = session
        self.rules = TurnRules.of(session)
        if session.get("model") != before.get("model"):
            return self._open_anew()
        if ctx.link in (LinkState.CONFIGURING, LinkState.READY):
            change = session_change(before, session)
            # Frozen only from the model's first sound on, which there has not been.
            change["audio"]["output"]["voice"] = session["audio"]["output"].get("voice")
            self.session_event = ctx.new_id()
            ctx.to_model(to_model.session_update(change, self.session_event))
        return None

    def _open_anew(self) -> None:
        ctx = self._ctx
        if ctx.link is LinkState.READY:
            self._forget_session()
        if ctx.link is not LinkState.LOST:
            ctx.move_link(LinkState.LOST)
        ctx.move_link(LinkState.CONNECTING)
        ctx.put(do.OpenModel(0.0))
        ctx.wake(Timer.READY, ctx.patience.session_max_s)

    # --- Another agent's session ---

    @property
    def preparation(self) -> Preparation:
        """How far the session for another agent is."""
        if not self._preparing:
            return Preparation.NONE
        if self.next_session.ready:
            return Preparation.READY
        opening = self.next_session.open_or_opening
        return Preparation.UNDER_WAY if opening else Preparation.FAILED

    def prepare(self, agent: Agent, session: Mapping[str, Any]) -> None:
        """Open a session for another agent, beside the one in use.

        One that was refused before is asked for without the optional parts.
        """
        if self._preparing and self.next_session.refused:
            session = essential_session(agent, session)
        self._preparing = True
        self.next_session.give_up()
        self.next_session.session = session
        self.next_session.open(for_agent=True)

    def change_over(self) -> None:
        """Put the other agent's session, which is ready, into the place of the one in use."""
        self._preparing = False
        self._session = self.next_session.session
        self.rules = TurnRules.of(self._session)
        self._roll("agent")

    def drop_preparation(self) -> None:
        """Close the other agent's session: the one in use stays."""
        self._preparing = False
        self.next_session.give_up()
        self.next_session.session = self._session
        if self._ctx.link is LinkState.READY:
            self.next_session.plan(self._ends_at - self._ctx.now)
