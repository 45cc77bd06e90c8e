"""Hosted MCP in a conversation: tools that the model's server runs, watched by us.

Tools are offered when their list is in; what came of a call is told to the caller even where the
model does not go on by itself; the server asks before it uses a tool that needs an approval.
"""

from __future__ import annotations

from math import inf
from typing import Any

from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.agents.config.tool_options import ToolOptions
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.floor import Floor
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import FILLERS, ResponseRequest
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.approvals import Approvals
from gateway.call.tools.hosted_calls import ERRORS, UNKNOWN, HostedCall
from gateway.call.tools.hosted_lists import HostedList
from gateway.call.tools.open_work import OpenWork
from gateway.call.tools.pending_approvals import ALLOWED, PendingApproval
from gateway.call.tools.waits import PendingWork
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items
from gateway.protocols import realtime_mcp as mcp
from gateway.protocols import realtime_server as model

ItemEvent = model.ItemAdded | model.ItemDone | model.OutputItemAdded | model.OutputItemDone


class HostedMcp(CallPart):
    """Lists, calls and requests for approval of the MCP servers that the model's server uses."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: CallerLine,
        floor: Floor,
        approvals: Approvals,
    ) -> None:
        self._ctx, self._work, self._line = ctx, work, line
        self._floor, self._approvals = floor, approvals
        self._mcp = work.hosted
        if ctx.agent.hosted or ctx.agent.hand_over:  # the next agent may have some
            self.handlers = {
                model.ItemAdded: self._on_item,
                model.ItemDone: self._on_item,
                model.OutputItemAdded: self._on_item,
                model.OutputItemDone: self._on_item,
                mcp.McpListInProgress: lambda _: self._expect_lists(),
                mcp.McpListCompleted: lambda event: self._on_list_event(event.item_id, came=True),
                mcp.McpListFailed: lambda event: self._on_list_event(event.item_id, came=False),
                mcp.McpArgumentsDone: lambda event: self._begin(event.item_id, event.arguments),
                mcp.McpCallInProgress: lambda event: self._begin(event.item_id),
                mcp.McpCallCompleted: lambda event: self._end_call(event.item_id, "ok"),
                mcp.McpCallFailed: self._on_call_failed,
            }
        self.timers = {Timer.HOSTED: self._look}

    def _on_item(self, event: ItemEvent) -> None:
        """Handle an item once, though it comes in more than one event."""
        item = event.item
        if item.id is None:
            return
        if item.type == "mcp_approval_request":
            self._on_approval_request(item, item.id)
        elif item.type == "mcp_list_tools":
            label, tools = item.server_label or "", len(item.tools or ())
            self._on_list(self._mcp.lists.on_item(item.id, label, tools))
        elif item.type == "mcp_call":
            if isinstance(event, model.ItemAdded | model.OutputItemAdded):
                self._mcp.named(item)
            else:
                self._on_call_item(item, item.id)

    # --- Lists ---

    def session_ready(self) -> None:
        self._expect_lists()

    def _expect_lists(self) -> None:
        if self._mcp.lists.due is None and not self._mcp.lists.complete:
            self._mcp.lists.due = self._ctx.now + limits.mcp.LIST_GRACE_S

    def _lists_late(self) -> None:
        """Keep the model from offering what it does not have yet."""
        late = self._mcp.lists.overdue()
        for label in late:
            self._ctx.put(events.HostedToolsListed(label, "late"))
        if late:
            self._notify_model(prompts.tools_late(" and ".join(late)))

    def _on_list(self, listed: HostedList | None) -> None:
        if listed is None:
            return
        self._ctx.put(events.HostedToolsListed(listed.label, listed.outcome, listed.tools))
        if listed.outcome != "ok":
            self._notify_model(prompts.tools_gone(listed.label))
        elif listed.late:
            self._notify_model(prompts.tools_there(listed.label))

    def _notify_model(self, text: str) -> None:
        if self._ctx.link is LinkState.READY:
            self._ctx.notify_model(text)

    def _on_list_event(self, item_id: str, *, came: bool) -> None:
        self._on_list(self._mcp.lists.on_event(item_id, came=came))

    # --- Calls ---

    def _begin(self, item_id: str, arguments: str | None = None) -> None:
        """Open a call: its arguments are complete, or it runs; whichever is reported first."""
        call = self._mcp.begin(item_id, self._ctx.now)
        if call is None:
            return
        self._ctx.tally.tools_called += 1
        self._ctx.history.called(item_id, call.function, arguments or "{}")
        self._ctx.put(events.HostedToolCalled(call.label, call.name))

    def _on_call_failed(self, event: mcp.McpCallFailed) -> None:
        """Note the time: in which of three ways it failed stands in the item, which may be late."""
        call = self._mcp.calls.get(event.item_id)
        if call is not None:
            call.failed_at = self._ctx.now

    def _on_call_item(self, item: model.Item, item_id: str) -> None:
        if item.error is not None:
            kind = item.error.type
            self._record_output(item_id, f"It failed: {item.error.message}")
            self._end_call(item_id, kind if kind in ERRORS else "error")
        elif item.output is not None:
            self._record_output(item_id, item.output)
            self._end_call(item_id, "ok")

    def _record_output(self, item_id: str, output: str) -> None:
        if self._mcp.first_output(item_id):
            self._ctx.history.answered(item_id, output)

    def _end_call(self, item_id: str, outcome: str) -> None:
        call = self._mcp.end(item_id)
        if call is None:
            return
        seconds = self._ctx.now - call.since
        self._ctx.put(events.HostedToolCompleted(call.label, outcome, seconds))
        self._mcp.owed = True
        if not self._mcp.working:
            self._ctx.responses.forget("mcp_filler")

    def _too_slow(self, call: HostedCall) -> None:
        self._end_call(call.item_id, "timeout")
        self._record_output(call.item_id, prompts.took_too_long(call.name))
        self._notify_model(prompts.took_too_long(call.name))

    # --- Approvals ---

    def _on_approval_request(self, item: model.Item, approval_id: str) -> None:
        pending = self._work.approvals
        if pending.state(approval_id) is not None:
            return
        server, name = self._mcp.server(item.server_label), item.name or UNKNOWN
        label = (item.server_label if server is not None else None) or UNKNOWN
        wait_s = server.approval_timeout_s if server is not None else 0.0
        options = server or ToolOptions()
        approval = PendingApproval(name, options, inf, label, approval_id, wait_s, self._decide)
        self._approvals.seek(approval, _verdict(server, name), item.arguments or "{}")
        if pending.state(approval_id) == "waiting":
            self._mcp.defer(approval)

    def _decide(self, approval: PendingApproval, outcome: str) -> None:
        """Answer the server; the call that waited runs, or is over and the caller learns why."""
        self._answer_server(approval.approval_id, outcome)
        self._approvals.resolve(approval, outcome)
        call = self._mcp.deferred(approval.approval_id)
        if outcome in ALLOWED:
            if call is not None:
                call.runs(self._ctx.now)
            return
        if call is not None:
            self._record_output(call.item_id, prompts.denied(outcome))
            self._end_call(call.item_id, "denied")
        self._mcp.owed, self._mcp.denied = True, outcome

    def _answer_server(self, approval_id: str, outcome: str) -> None:
        yes, ctx = outcome in ALLOWED, self._ctx
        reason = prompts.APPROVED if yes else prompts.denied(outcome)
        answer = items.mcp_approval(ctx.new_id(), approval_id, yes, reason)
        ctx.to_model(to_model.item_create(answer, ctx.new_id()))

    # --- What came of it is told to the caller ---

    def response_began(self) -> None:
        """The model knows what is in by now, and tells it; a filler is told not to."""
        if self._ctx.responses.purpose not in FILLERS:
            self._mcp.settle_debt()

    def response_over(self, response: model.Response) -> None:
        kinds = [item.type for item in response.output or ()]
        calls = [at for at, kind in enumerate(kinds) if kind == "mcp_call"]
        if calls and "message" in kinds[calls[-1] :]:
            self._mcp.settle_debt()  # the model went on by itself, in the same response

    def settle(self) -> None:
        ctx, hosted = self._ctx, self._mcp
        # Calls may be open under an agent without servers: those of the agent before it.
        if not (ctx.agent.hosted or hosted.working or hosted.owed):
            return
        talks = ctx.phase in (CallPhase.TALKING, CallPhase.GOODBYE)
        ready = talks and ctx.link is LinkState.READY
        if not hosted.owed or ctx.responses.busy or not ready or hosted.running:
            hosted.go_on_at = None
        elif hosted.go_on_at is None:
            hosted.go_on_at = ctx.now + limits.mcp.GO_ON_GRACE_S
        due = hosted.due()
        if due is None:
            ctx.timers.clear(Timer.HOSTED)
        else:
            ctx.timers.set(Timer.HOSTED, due)

    # --- Time ---

    def _look(self) -> None:
        now = self._ctx.now
        if self._mcp.lists.due is not None and self._mcp.lists.due <= now:
            self._lists_late()
        for call in [one for one in self._mcp.calls.values() if one.over_at <= now]:
            if call.failed_at is not None:
                self._end_call(call.item_id, "error")
            else:
                self._too_slow(call)
        self._fill()
        if self._mcp.go_on_at is not None and self._mcp.go_on_at <= now:
            self._go_on()
        self.settle()

    def _go_on(self) -> None:
        """Ask the model to go on: it does not by itself."""
        denied = self._mcp.denied
        self._mcp.settle_debt()
        if denied is not None:
            self._ctx.request(ResponseRequest("denied", prompts.explain_denied(denied)))
        else:
            self._ctx.request(ResponseRequest("mcp_output", any_will_do=True))

    def _fill(self) -> None:
        """Have the model say a few words: the caller has waited for long enough in silence."""
        ctx = self._ctx
        talks = ctx.caller.speaking or self._floor.busy()
        quiet = ctx.phase is CallPhase.TALKING and not talks
        wait = self._mcp.filler(ctx.now, quiet=quiet)
        if wait is None:
            return
        words = self._words_for(wait)
        if words is not None:
            ctx.request(ResponseRequest("mcp_filler", words))

    def _words_for(self, wait: PendingWork) -> dict[str, Any] | None:
        """Return what the model is to say; None where a hold tone takes the place of words."""
        said = wait.options.filler
        if said:
            return prompts.in_language(said, self._ctx.agent.language, self._ctx.language)
        instead = wait.options.hold and self._line.can_hold
        return None if instead else prompts.instructed(prompts.FILLER)

    # --- Lost ---

    def session_lost(self) -> None:
        self._mcp.lists.relist()
        self._lose_calls()

    def session_changes(self) -> None:
        self._lose_calls()

    def session_unseen(self) -> None:
        self._lose_calls()  # they go on, but nobody sees how

    def call_ends(self) -> None:
        self._lose_calls()

    def _lose_calls(self) -> None:
        for item_id in tuple(self._mcp.calls):
            self._record_output(item_id, prompts.MCP_LOST)
            self._end_call(item_id, "lost")


def _verdict(server: McpServer | None, tool: str) -> str | None:
    if server is None or not server.offers(tool):
        return "not_offered"
    return None  # a request is never answered yes but by a person
