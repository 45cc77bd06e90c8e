"""Who allows a tool of an MCP server: the agent's rules, or an operator, or nobody in time.

One way for both kinds. What a yes or no means for a function call of ours stands in
`tool_calls.py`, and for one that the model's server makes in `hosted_approvals.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.responses import ResponseRequest
from gateway.call.session.model_session import LinkedCall
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.pending_approvals import PendingApproval, PendingApprovals


class ApprovedCall(LinkedCall):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, session, new_id, now)
        self._approvals = PendingApprovals()

    def _approval_table(self) -> dict[type, Callable[[Any], None]]:
        if not self.agent.mcp:
            return {}
        return {inputs.ApprovalAnswered: self._on_approval_answered}

    def approval(self, approval_id: str) -> str | None:
        """`waiting`, how it was answered, or None: no such request."""
        return self._approvals.state(approval_id)

    def _seek_leave(self, approval: PendingApproval, verdict: str | None, arguments: str) -> None:
        """`verdict` is what the rules say by themselves; None has an operator asked."""
        if verdict is None and len(self._approvals.waiting) >= limits.tools.APPROVALS_MAX:
            verdict = "too_many"
        if verdict is not None:
            return self._decide(approval, verdict)
        self._approvals.ask(approval, self._desk.now)
        shown = arguments[: limits.tools.TOOL_ARGUMENTS_MAX_CHARS]
        asked = (approval.approval_id, approval.label, approval.name)
        return self._note(events.ApprovalRequested(*asked, shown, approval.wait_s))

    def _decide(self, approval: PendingApproval, outcome: str) -> None:
        self._approvals.answer(approval, outcome)
        if not self._approvals.waiting:
            self.responses.forget("asking")
        self._note(events.ApprovalResolved(approval.approval_id, approval.label, outcome))

    def _on_approval_answered(self, event: inputs.ApprovalAnswered) -> None:
        approval = self._approvals.waiting.get(event.approval_id)
        if approval is not None and self._can_decide(approval):
            self._decide(approval, "approved" if event.approve else "denied")

    def _can_decide(self, approval: PendingApproval) -> bool:
        """The model's server must hear of what it asked; what we do, we do without it."""
        return approval.call_id is not None or self.link is LinkState.READY

    def _working(self) -> bool:
        return bool(self._approvals.waiting)

    def _holding(self) -> bool:
        """Whether the caller waits for something that has him hear a sound meanwhile."""
        return self._approvals.holding

    # --- Time ---

    def _settle(self) -> None:
        super()._settle()
        self._watch_approvals()

    def _watch_approvals(self) -> None:
        due = self._approvals.due()
        if due is None:
            self._desk.timers.clear(Timer.APPROVAL)
        else:
            self._desk.timers.set(Timer.APPROVAL, due)

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.APPROVAL:
            self._look_at_approvals()
            self._watch_approvals()
        else:
            super()._on_timer(timer)

    def _look_at_approvals(self) -> None:
        now = self._desk.now
        for approval in self._approvals.overdue(now):
            if self._can_decide(approval):
                self._decide(approval, "timeout")
            else:
                approval.until = now + limits.model.ROLL_LOOK_S
        quiet = self.takes_wishes and not (self._caller_speaking or self._busy())
        if self._approvals.filler(now, quiet=quiet):
            self._want(ResponseRequest("asking", prompts.instructed(prompts.ASKING)))

    # --- The end of it ---

    def _forget_session(self) -> None:
        """The server's requests went with it."""
        super()._forget_session()
        self._withdraw(self._approvals.of(None))

    def _roll_if_quiet(self) -> None:
        if not self._approvals.of(None):
            super()._roll_if_quiet()

    def _roll(self) -> None:
        self._withdraw(self._approvals.of(None))
        super()._roll()

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is not CallPhase.CLOSED:
            self._withdraw(list(self._approvals.waiting.values()))
        super()._end(ending, reason)

    def _withdraw(self, approvals: Iterable[PendingApproval]) -> None:
        for approval in approvals:
            self._approvals.answer(approval, "withdrawn")
            done = events.ApprovalResolved(approval.approval_id, approval.label, "withdrawn")
            self._note(done)
