"""Who allows a hosted tool: the agent's policy, or an operator, or nobody in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway import limits
from gateway.call import inputs, notes, wording
from gateway.call.endings import Ending
from gateway.call.hosted import HostedTools, ItemEvent
from gateway.call.mcp import UNKNOWN, Approval, Wait
from gateway.call.states import Life, Link
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items
from gateway.protocols import realtime_server as model


class ApprovedTools(HostedTools):
    def _hosted_table(self) -> dict[type, Callable[[Any], None]]:
        table = super()._hosted_table()
        return {**table, inputs.ApprovalAnswered: self._on_approval_answered} if table else {}

    def approval(self, approval_id: str) -> str | None:
        """`waiting`, how it was answered, or None: no such request."""
        return self._mcp.state(approval_id)

    def _on_item(self, event: ItemEvent) -> None:
        if event.item.type == "mcp_approval_request" and event.item.id is not None:
            self._on_approval_request(event.item, event.item.id)
        else:
            super()._on_item(event)

    def _on_approval_request(self, item: model.Item, approval_id: str) -> None:
        if self._mcp.state(approval_id) is not None:
            return
        server, name = self._mcp.server(item.server_label), item.name or UNKNOWN
        label = item.server_label if server is not None else None
        if server is None or label is None or not server.offers(name):
            self._decide(approval_id, label or UNKNOWN, "not_offered")
        elif server.approval_of(name) != "operator":
            self._decide(approval_id, label, "policy")
        elif len(self._mcp.waiting) >= limits.APPROVALS_MAX:
            self._decide(approval_id, label, "too_many")
        else:
            self._ask_operator(approval_id, label, name, item.arguments or "{}")

    def _ask_operator(self, approval_id: str, label: str, name: str, arguments: str) -> None:
        server, now = self.agent.mcp[label], self._desk.now
        fill_at = now + server.filler_after_ms / 1000
        wait_s = server.approval_timeout_s
        self._mcp.ask(Approval(label, name, server, fill_at, approval_id, now + wait_s))
        shown = arguments[: limits.TOOL_ARGUMENTS_MAX_CHARS]
        self._note(notes.ApprovalAsked(approval_id, label, name, shown, wait_s))

    def _on_approval_answered(self, event: inputs.ApprovalAnswered) -> None:
        approval = self._mcp.waiting.get(event.approval_id)
        if approval is not None and self.link is Link.READY:
            outcome = "approved" if event.approve else "denied"
            self._decide(approval.approval_id, approval.label, outcome)

    def _decide(self, approval_id: str, label: str, outcome: str) -> None:
        """Tells the model's server, and the model where it is a no."""
        yes = outcome in ("approved", "policy")
        call = self._mcp.answer(approval_id, outcome)
        reason = wording.APPROVED if yes else wording.denied(outcome)
        answer = items.mcp_approval(self._desk.new_id(), approval_id, yes, reason)
        self._desk.to_model(to_model.item_create(answer, self._desk.new_id()))
        self._note(notes.ApprovalDone(approval_id, label, outcome))
        if yes:
            if call is not None:
                call.runs(self._desk.now)
            return
        if call is not None:
            self._answered(call.item_id, reason)
            self._end_call(call.item_id, "denied")
        self._mcp.owed, self._mcp.denied = True, outcome

    def _words_for(self, wait: Wait) -> dict[str, Any] | None:
        if isinstance(wait, Approval):
            return wording.instructed(wording.ASKING)
        return super()._words_for(wait)

    # --- Time, and the end of it ---

    def _look_at_hosted(self) -> None:
        now = self._desk.now
        for approval in [one for one in self._mcp.waiting.values() if one.until <= now]:
            if self.link is Link.READY:
                self._decide(approval.approval_id, approval.label, "timeout")
            else:
                approval.until = now + limits.ROLL_LOOK_S
        super()._look_at_hosted()

    def _forget_session(self) -> None:
        """The server's requests went with it."""
        super()._forget_session()
        self._withdraw()

    def _roll(self) -> None:
        self._withdraw()
        super()._roll()

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is not Life.CLOSED:
            self._withdraw()
        super()._end(ending, reason)

    def _withdraw(self) -> None:
        for approval in tuple(self._mcp.waiting.values()):
            self._mcp.answer(approval.approval_id, "withdrawn")
            self._note(notes.ApprovalDone(approval.approval_id, approval.label, "withdrawn"))
