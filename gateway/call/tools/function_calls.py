"""The model's function calls: ours done at once, the operator's run beside the conversation."""

from __future__ import annotations

from collections import OrderedDict
from math import inf

from msgspec import structs

from gateway import limits
from gateway.agents.config.mcp import McpServer, server_of
from gateway.agents.config.transfers import TransferDestination
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import end_plan, prompts
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.dialogue.floor import Floor
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.dialogue.secret_input import SecretInput
from gateway.call.endings import Ending
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.privacy.redaction import Redactor
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.call.tools.approvals import Approvals
from gateway.call.tools.builtin_tools import BuiltinTools
from gateway.call.tools.open_work import OpenWork
from gateway.call.tools.pending_approvals import ALLOWED, PendingApproval
from gateway.protocols import realtime_server as model


class FunctionCalls(CallPart):
    """Function calls of the model, from the response that makes them to their outputs."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: CallerLine,
        floor: Floor,
        approvals: Approvals,
        goodbye: Goodbye,
        builtin: BuiltinTools,
        secrets: SecretInput,
    ) -> None:
        self._ctx, self._work, self._line, self._floor = ctx, work, line, floor
        self._approvals, self._goodbye, self._builtin = approvals, goodbye, builtin
        self._secrets = secrets
        self._running = work.running
        self._seen: OrderedDict[str, None] = OrderedDict()
        """Ids of the function calls of this call, the newest last."""
        self.handlers = {inputs.ToolFinished: self._on_tool_finished}
        self.timers = {Timer.FILLER: self._fill}

    def turn_taken(self) -> None:
        """The caller has said something."""
        self._running.turn_taken()
        self.cut_off()

    def agent_changed(self) -> None:
        """Drop what waits for an approval: it is not for the next agent to do."""
        for call_id in self._running.deferred_ids:
            self._approvals.withdraw_for(call_id)
            self._work.finish(call_id, prompts.LEFT_BEHIND, "cancelled", answer=False)
        self._work.hand_in()

    def call_ends(self) -> None:
        """Cancel what is void without the call, by each function's own policy.

        Any other function finishes beside it: half a POST is worse than one nobody waits for.
        """
        for running in self._running.at_work:
            if running.options.on_barge_in == "cancel":
                self._ctx.put(do.CancelTool(running.call_id))
                self._work.finish(running.call_id, prompts.CANCELLED, "cancelled", answer=False)
            else:
                self._ctx.put(do.DetachTool(running.call_id))

    def run(self, response: model.Response) -> None:
        """Start every function that the response calls."""
        ctx, running = self._ctx, self._running
        for item in response.output or ():
            if item.type != "function_call" or item.call_id is None:
                continue
            if item.call_id in self._seen:
                continue  # reported again, or two items with one id: it is done once
            self._seen[item.call_id] = None
            if len(self._seen) > limits.tools.CALL_IDS_KEPT_MAX:
                self._seen.popitem(last=False)
            ctx.tally.tools_called += 1
            known = item.name in ctx.agent.tools or item.name in running
            name = item.name if known else None
            ctx.put(events.ToolCalled(name or "unknown"))
            ctx.history.called(item.call_id, item.name or "unknown", item.arguments or "{}")
            if name is None:
                running.put(response.id, item.call_id, prompts.NO_SUCH_TOOL)
            else:
                self._run_one(response.id, item.call_id, name, item.arguments)
        self._work.hand_in()

    def _run_one(self, response_id: str, call_id: str, name: str, arguments: str | None) -> None:
        if name == "end_call":
            self._goodbye.start(EndPlan(Ending.AGENT_HUNG_UP, call_id))
        elif name == "transfer":
            self._transfer(response_id, call_id, arguments)
        elif self._secrets.begin(name, response_id, call_id, arguments or ""):
            pass
        elif not self._builtin.run(name, response_id, call_id, arguments or ""):
            if name in self._running:
                self._start(response_id, call_id, name, arguments or "")
            else:
                self._running.put(response_id, call_id, prompts.NO_SUCH_TOOL)

    def _start(self, response_id: str, call_id: str, name: str, arguments: str) -> None:
        running = self._running
        if not running.confirmed(name, arguments):
            running.put(response_id, call_id, prompts.CONFIRM)
        elif not running.start(response_id, call_id, name, self._ctx.now):
            running.put(response_id, call_id, prompts.TOO_MANY)
        elif (server := self._guard(name)) is None:
            self._ctx.put(do.RunTool(call_id, name, arguments))
        else:
            running.defer(call_id, arguments)
            self._seek_approval(server, call_id, name, arguments)

    # --- Approval of a tool ---

    def _guard(self, name: str) -> McpServer | None:
        """Return the server of a tool that needs an approval."""
        server = self._running.options(name)
        if not isinstance(server, McpServer):
            return None
        return None if server.approval_of(self._tool_of(name)[1]) == "none" else server

    def _tool_of(self, name: str) -> tuple[str, str]:
        """Return the server's label and its own name for a function of the model's."""
        label = server_of(name, self._ctx.agent.private) or ""
        return label, name.removeprefix(f"{label}_")

    def _seek_approval(self, server: McpServer, call_id: str, name: str, arguments: str) -> None:
        label, tool = self._tool_of(name)
        approval_id, wait_s = self._ctx.new_id(), server.approval_timeout_s
        approval = PendingApproval(
            tool, server, inf, label, approval_id, wait_s, self._decide, call_id
        )
        self._approvals.seek(approval, None, arguments or "{}")

    def _decide(self, approval: PendingApproval, outcome: str) -> None:
        self._approvals.resolve(approval, outcome)
        call_id = approval.call_id or ""
        if outcome in ALLOWED:
            name, arguments = self._running.release(call_id, self._ctx.now)
            self._ctx.put(do.RunTool(call_id, name, arguments))
        else:
            self._work.finish(call_id, prompts.denied(outcome), "denied", answer=True)

    # --- What came of it ---

    def _on_tool_finished(self, event: inputs.ToolFinished) -> None:
        if event.call_id not in {running.call_id for running in self._running.at_work}:
            return
        self._work.finish(event.call_id, event.output, event.outcome, answer=True)
        self._work.hand_in()

    def cut_off(self) -> None:
        """Cancel what the caller's words make void, by each function's own policy."""
        for running in self._running.cut_off():
            if running.deferred is None:
                self._ctx.put(do.CancelTool(running.call_id))
            self._approvals.withdraw_for(running.call_id)
            self._work.finish(running.call_id, prompts.CANCELLED, "cancelled", answer=False)
        self._work.hand_in()

    def _fill(self) -> None:
        """Have the model say a few words: the caller has waited for long enough in silence."""
        running = self._running.filler(self._ctx.now)
        instead = running is not None and running.options.hold and not running.options.filler
        if instead and self._line.can_hold:
            pass  # a hold tone in place of words
        elif running is not None and self._is_quiet():
            said = running.options.filler
            words = (
                prompts.in_language(said, self._ctx.agent.language, self._ctx.language)
                if said
                else prompts.instructed(prompts.FILLER)
            )
            self._ctx.request(ResponseRequest("filler", words))
        self._work.hand_in()

    def _is_quiet(self) -> bool:
        """Return whether words may be said now; after a goodbye they would only confuse."""
        talking = self._ctx.phase is CallPhase.TALKING
        return talking and not self._ctx.caller.speaking and not self._floor.busy()

    # --- Transfers ---

    def _transfer(self, response_id: str, call_id: str, arguments: str | None) -> None:
        transfers = self._ctx.agent.transfers
        wanted = end_plan.target_of(arguments)
        party = transfers.get(wanted.target)
        if party is None:
            unknown = f"There is no such target. There are: {', '.join(transfers)}."
            self._running.put(response_id, call_id, unknown)
        elif closed := self._closed(party):
            self._running.put(response_id, call_id, prompts.closed(wanted.target, closed))
        else:
            to = end_plan.way_to(party, wanted.summary)
            # It goes to a person, by the carrier and the shared store.
            summary = Redactor(self._ctx.privacy.redact).text(to.summary)
            to = structs.replace(to, summary=summary)
            self._goodbye.start(EndPlan(Ending.TRANSFERRED, call_id, to))

    def _closed(self, party: TransferDestination) -> str | None:
        """Return in words until when nobody is there; None while somebody is, or without hours."""
        clock = self._ctx.wall_clock
        if party.hours is None or clock is None:
            return None
        unix_s = clock.hours_s(self._ctx.now)
        return None if party.hours.open_at(unix_s) else party.hours.closed_until(unix_s)
