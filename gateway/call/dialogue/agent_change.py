"""Hand-over between agents: the next one leads the same call on, and knows all that was said.

While the agent that is in the call says its last word, what the next one needs is prepared: a
session of its own beside the one in use, or on the SIP path a change of the one there is. The
conversation changes over as soon as that is ready and no response is in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_names import HANDS_OVER
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.part import CallPart
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.call.responses import STOPGAPS, ResponseRequest
from gateway.call.session import session_audio
from gateway.call.session.model_link import ModelLink
from gateway.call.session.opening_items import OpeningItems
from gateway.call.session.rollover import Preparation
from gateway.call.snapshot import CallSnapshot
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork


@dataclass(frozen=True, slots=True)
class AgentSession:
    """An agent, and what a session of its own asks of the model."""

    agent: Agent
    session: Mapping[str, Any]


Colleagues = Callable[[str, Mapping[str, str]], AgentSession | None]
"""Finds the agent of a name, for a call on this one's path of which these facts are known."""


def no_colleagues(_name: str, _facts: Mapping[str, str]) -> AgentSession | None:
    return None


class _Arguments(msgspec.Struct):
    agent: str = ""
    about: str = ""


@dataclass(slots=True)
class _Pending:
    call_id: str
    following: AgentSession
    about: str
    tries: int = 1
    pausing: bool = False
    """Whether the next try waits for its time."""


class AgentChange(CallPart):
    """The hand-over that is under way, and how many there were."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        link: ModelLink,
        opening: OpeningItems,
        colleagues: Colleagues,
    ) -> None:
        self._ctx, self._work, self._link = ctx, work, link
        self._opening, self._colleagues = opening, colleagues
        self._pending: _Pending | None = None
        self._count = 0
        self._first = ""
        """The agent that answered; "" before the first hand-over."""
        self._left: dict[str, int] = {}
        """By agent that handed the call on: the number of the history's newest item then, the
        latest last."""
        self.timers = {Timer.AGENT_CHANGE: self._look}

    @property
    def first(self) -> str:
        """The agent that answered, whoever leads the call now."""
        return self._first or self._ctx.agent.name

    def hand_over(self, response_id: str, call_id: str, arguments: str) -> None:
        """Begin to hand over, as the model has asked; refuse what would go round and round."""
        ctx, running = self._ctx, self._work.running
        wanted = _decoded(arguments)
        outcome, why_not = self._refusal(wanted.agent)
        following = None if outcome else self._found(wanted.agent)
        if outcome or following is None:
            self._report(wanted.agent, outcome or "unknown")
            known = prompts.no_colleague(", ".join(ctx.agent.hand_over))
            running.put(response_id, call_id, why_not or known)
        elif not running.start(response_id, call_id, HANDS_OVER, ctx.now):
            self._report(wanted.agent, "failed")
            running.put(response_id, call_id, prompts.TOO_MANY)
        else:
            about = wanted.about.strip()[: limits.call.SUMMARY_MAX_CHARS]
            self._pending = _Pending(call_id, following, about)
            self._prepare(following)

    def _found(self, name: str) -> AgentSession | None:
        return self._colleagues(name, self._opening.briefing.facts)

    def _refusal(self, to: str) -> tuple[str, str]:
        """Return why a hand-over is refused: its outcome, and the same for the model."""
        ctx = self._ctx
        if ctx.phase is not CallPhase.TALKING:
            return "ending", prompts.HAND_OVER_ENDING
        if self._pending is not None:
            return "under_way", prompts.HANDING_OVER
        if to not in ctx.agent.hand_over:
            return "unknown", prompts.no_colleague(", ".join(ctx.agent.hand_over))
        if self._count >= limits.call.HAND_OVERS_MAX:
            return "too_many", prompts.ENOUGH_HAND_OVERS
        left_at = self._left.get(to)
        # However many agents are between them: it would go round in a circle.
        if left_at is not None and self._turns_since(left_at) < limits.call.HAND_BACK_AFTER_TURNS:
            return "too_soon", prompts.just_handed_over(to)
        return "", ""

    def _turns_since(self, number: int) -> int:
        return self._ctx.history.turns_since(number)

    def _report(self, to: str, outcome: str) -> None:
        known = to if to in self._ctx.agent.hand_over else "unknown"
        self._ctx.put(events.HandOverAttempted(self._ctx.agent.name, known, outcome))

    # --- Under way ---

    def settle(self) -> None:
        pending = self._pending
        if pending is None:
            return
        state = self._link.preparation
        if state is Preparation.FAILED and not pending.pausing:
            self._try_again(pending)
        elif state is Preparation.READY and self._may_change():
            self._change(pending)

    def _may_change(self) -> bool:
        """Return whether nothing is in flight that the next agent could not go on with."""
        ctx = self._ctx
        talks = ctx.phase is CallPhase.TALKING and ctx.link is LinkState.READY
        busy = ctx.responses.busy or ctx.caller.typing or self._work.goes_with_session
        return talks and not busy

    def _change(self, pending: _Pending) -> None:
        ctx, agent = self._ctx, pending.following.agent
        before, speaking = ctx.agent.name, ctx.caller.surely_speaking
        self._pending = None
        ctx.timers.clear(Timer.AGENT_CHANGE)
        self._report(agent.name, "done")
        answers = session_audio.server_answers(pending.following.session)
        # Before a word with the next agent: nothing that it keeps out may get by.
        ctx.apply_privacy(ctx.privacy.strictest(CallPrivacy.of(agent)))
        # First: what the session is told of the call is for this agent to know.
        ctx.change_agent(agent, server_answers=answers)
        self._link.change_over()
        tools = pending.following.session.get("tools", ())
        self._work.equip(str(tool.get("name", "")) for tool in tools)
        ctx.responses.forget(*STOPGAPS)
        briefing = prompts.took_over(agent.name, before, pending.about)
        self._work.answer_apart(pending.call_id, briefing, "ok")
        self._work.hand_in()
        self._count, self._first = self._count + 1, self._first or before
        self._left.pop(before, None)
        self._left[before] = ctx.history.last_number
        if speaking:  # their words, which this session hears again, are what is answered
            ctx.await_response()
        ctx.request(ResponseRequest("handed_over", any_will_do=True))

    def _prepare(self, following: AgentSession) -> None:
        self._ctx.wake(Timer.AGENT_CHANGE, limits.call.AGENT_CHANGE_MAX_S)
        self._link.prepare(following.agent, following.session)

    def _try_again(self, pending: _Pending) -> None:
        """Try once more after a pause: the session that was tried is gone, or was refused."""
        if pending.tries >= limits.call.AGENT_CHANGE_TRIES_MAX:
            return self._fail(pending)
        pending.tries, pending.pausing = pending.tries + 1, True
        return self._ctx.wake(Timer.AGENT_CHANGE, limits.call.AGENT_CHANGE_PAUSE_S)

    def _look(self) -> None:
        pending = self._pending
        if pending is not None and pending.pausing:
            pending.pausing = False
            self._prepare(pending.following)
        elif pending is not None:
            self._fail(pending)

    def _fail(self, pending: _Pending) -> None:
        """Go on with the agent there is, who is told."""
        self._pending = None
        self._ctx.timers.clear(Timer.AGENT_CHANGE)
        self._link.drop_preparation()
        self._report(pending.following.agent.name, "failed")
        self._work.finish(pending.call_id, prompts.HAND_OVER_FAILED, "error", answer=True)
        self._work.hand_in()

    def call_ends(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._report(pending.following.agent.name, "ending")
            self._work.finish(pending.call_id, prompts.CANCELLED, "cancelled", answer=False)

    # --- Across processes ---

    def snapshot(self, state: CallSnapshot) -> None:
        """Write what the next process needs to go on counting."""
        state.hand_overs, state.first_agent, state.left_at = (
            self._count,
            self._first,
            dict(self._left),
        )
        for name, number in self._left.items():
            state.handed_from, state.handed_at = name, number

    def resume(self, state: CallSnapshot) -> None:
        self._count, self._first, self._left = state.hand_overs, state.first_agent, state.left_at
        if state.handed_from and not self._left:  # written by an older process
            self._left = {state.handed_from: state.handed_at}


def _decoded(arguments: str) -> _Arguments:
    """Return the arguments, empty where they cannot be read: models invent them."""
    try:
        return msgspec.json.decode(arguments, type=_Arguments)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _Arguments()
