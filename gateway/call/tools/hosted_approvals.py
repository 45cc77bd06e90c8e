"""The model's server asks before it uses a tool, and is answered."""

from __future__ import annotations

from math import inf

from gateway.agents.config.mcp import McpServer
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.dialogue import prompts
from gateway.call.tools.hosted_calls import UNKNOWN
from gateway.call.tools.hosted_mcp import HostedTools, ItemEvent
from gateway.call.tools.pending_approvals import ALLOWED, PendingApproval
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items
from gateway.protocols import realtime_server as model


class HostedApprovals(HostedTools):
    def _on_item(self, event: ItemEvent) -> None:
        if event.item.type == "mcp_approval_request" and event.item.id is not None:
            self._on_approval_request(event.item, event.item.id)
        else:
            super()._on_item(event)

    def _on_approval_request(self, item: model.Item, approval_id: str) -> None:
        if self.approval(approval_id) is not None:
            return
        server, name = self._mcp.server(item.server_label), item.name or UNKNOWN
        label = item.server_label if server is not None else None
        wait_s = server.approval_timeout_s if server is not None else 0.0
        manners = server or ToolOptions()
        approval = PendingApproval(name, manners, inf, label or UNKNOWN, approval_id, wait_s)
        self._seek_leave(approval, _verdict(server, name), item.arguments or "{}")
        if self.approval(approval_id) == "waiting":
            self._mcp.hold_back(approval)

    def _decide(self, approval: PendingApproval, outcome: str) -> None:
        if approval.call_id is None:
            self._answer_server(approval.approval_id, outcome)
        super()._decide(approval, outcome)
        if approval.call_id is None:
            self._go_on_with(approval.approval_id, outcome)

    def _answer_server(self, approval_id: str, outcome: str) -> None:
        yes = outcome in ALLOWED
        reason = prompts.APPROVED if yes else prompts.denied(outcome)
        answer = items.mcp_approval(self._desk.new_id(), approval_id, yes, reason)
        self._desk.to_model(to_model.item_create(answer, self._desk.new_id()))

    def _go_on_with(self, approval_id: str, outcome: str) -> None:
        """The call that was held back runs, or has come to its end; of a no the caller is told."""
        call = self._mcp.held_back(approval_id)
        if outcome in ALLOWED:
            if call is not None:
                call.runs(self._desk.now)
            return
        if call is not None:
            self._answered(call.item_id, prompts.denied(outcome))
            self._end_call(call.item_id, "denied")
        self._mcp.owed, self._mcp.denied = True, outcome


def _verdict(server: McpServer | None, tool: str) -> str | None:
    if server is None or not server.offers(tool):
        return "not_offered"
    return None if server.approval_of(tool) == "operator" else "policy"
