"""Approval of MCP tools: by the agent's rules, by an operator, or by nobody in time.

One way for both kinds: what a yes or no means for a function call of ours stands in
`function_calls.py`, and for a call that the model's server makes in `hosted_mcp.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway import limits
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.floor import Floor
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.call.tools.pending_approvals import PendingApproval


class Approvals(CallPart):
    """Requests for approval of this call, from the question to the answer."""

    def __init__(self, ctx: CallContext, work: OpenWork, floor: Floor) -> None:
        self._ctx, self._work, self._floor = ctx, work, floor
        self._pending = work.approvals
        if ctx.agent.mcp or ctx.agent.hand_over:  # the next agent may have some
            self.handlers = {inputs.ApprovalAnswered: self._on_approval_answered}
        self.timers = {Timer.APPROVAL: self._look}

    def seek(self, approval: PendingApproval, verdict: str | None, arguments: str) -> None:
        """Decide a request; `verdict` is what the rules say, None has an operator asked."""
        if verdict is None and len(self._pending.waiting) >= limits.tools.APPROVALS_MAX:
            verdict = "too_many"
        if verdict is not None:
            return approval.decide(approval, verdict)
        self._pending.ask(approval, self._ctx.now)
        shown = arguments[: limits.tools.TOOL_ARGUMENTS_MAX_CHARS]
        asked = (approval.approval_id, approval.label, approval.name)
        return self._ctx.put(events.ApprovalRequested(*asked, shown, approval.wait_s))

    def resolve(self, approval: PendingApproval, outcome: str) -> None:
        """Record and publish how a request was decided."""
        self._pending.answer(approval, outcome)
        if not self._pending.waiting:
            self._ctx.responses.forget("asking")
        resolved = events.ApprovalResolved(approval.approval_id, approval.label, outcome)
        self._ctx.put(resolved)

    def withdraw(self, approvals: Iterable[PendingApproval]) -> None:
        """Publish that nobody has to decide these any more."""
        for approval in approvals:
            self._pending.answer(approval, "withdrawn")
            withdrawn = events.ApprovalResolved(approval.approval_id, approval.label, "withdrawn")
            self._ctx.put(withdrawn)

    def withdraw_for(self, call_id: str | None) -> None:
        """Withdraw what waits for this function call; for None, what the model's server asked."""
        self.withdraw(self._pending.of(call_id))

    def _on_approval_answered(self, event: inputs.ApprovalAnswered) -> None:
        approval = self._pending.waiting.get(event.approval_id)
        if approval is not None and self._can_decide(approval):
            approval.decide(approval, "approved" if event.approve else "denied")
        self._work.hand_in()

    def _can_decide(self, approval: PendingApproval) -> bool:
        """Return whether the decision can be carried out: the model's server must hear its own."""
        return approval.call_id is not None or self._ctx.link is LinkState.READY

    # --- Time ---

    def settle(self) -> None:
        due = self._pending.due()
        if due is None:
            self._ctx.timers.clear(Timer.APPROVAL)
        else:
            self._ctx.timers.set(Timer.APPROVAL, due)

    def _look(self) -> None:
        ctx, now = self._ctx, self._ctx.now
        for approval in self._pending.overdue(now):
            if self._can_decide(approval):
                approval.decide(approval, "timeout")
            else:
                approval.until = now + limits.model.ROLL_LOOK_S
        talks = ctx.caller.speaking or self._floor.busy()
        quiet = ctx.takes_operator_requests and not talks
        if self._pending.filler(now, quiet=quiet):
            ctx.request(ResponseRequest("asking", prompts.instructed(prompts.ASKING)))
        self._work.hand_in()
        self.settle()

    # --- The end of it ---

    def session_lost(self) -> None:
        self.withdraw_for(None)  # the server's requests went with the session

    def session_changes(self) -> None:
        self.withdraw_for(None)

    def call_ends(self) -> None:
        self.withdraw(list(self._pending.waiting.values()))
