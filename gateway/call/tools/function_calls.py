"""The model's function calls: ours done at once, the operator's run beside the conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from gateway.agents.config.agent import Agent
from gateway.agents.config.mcp import McpServer, server_of
from gateway.agents.config.transfers import TransferDestination
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue import end_plan, prompts
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.endings import Ending
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.call.tools.approvals import ApprovedCall
from gateway.call.tools.pending_approvals import ALLOWED, PendingApproval
from gateway.call.tools.running_calls import RunningCalls
from gateway.protocols import realtime_server as model


class ToolCalls(ApprovedCall):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, session, new_id, now)
        offered = [str(tool.get("name", "")) for tool in session.get("tools", ())]
        self._tools = RunningCalls(agent.tool_options_of(offered))
        self._turns_taken = 0
        """By the caller, as far as the model takes them for turns."""

    def _tool_table(self) -> dict[type, Callable[[Any], None]]:
        return {inputs.ToolFinished: self._on_tool_finished}

    def _turn_taken(self) -> None:
        """The caller has said something."""
        self._turns_taken += 1
        self._cut_off_tools()

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is not CallPhase.CLOSED:
            for call_id in self._tools.at_work:
                self._desk.put(do.CancelTool(call_id))
        super()._end(ending, reason)

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.FILLER:
            self._fill()
        else:
            super()._on_timer(timer)

    def _run_calls(self, response: model.Response) -> None:
        for item in response.output or ():
            if item.type != "function_call" or item.call_id is None:
                continue
            if item.call_id in self._tools.running:
                continue  # told twice: it is being done
            self.tools_called += 1
            known = item.name in self.agent.tools or item.name in self._tools
            name = item.name if known else None
            self._note(events.ToolCalled(name or "unknown"))
            self.memory.called(item.call_id, item.name or "unknown", item.arguments or "{}")
            if name == "end_call":
                self._depart(EndPlan(Ending.AGENT_HUNG_UP, item.call_id))
            elif name == "transfer":
                self._transfer(response.id, item.call_id, item.arguments)
            elif name is not None and self._do_here(
                name, response.id, item.call_id, item.arguments or ""
            ):
                pass
            elif name is not None and name in self._tools:
                self._start(response.id, item.call_id, name, item.arguments or "")
            else:
                self._tools.put(response.id, item.call_id, prompts.NO_SUCH_TOOL)
        self._hand_in()

    def _do_here(self, name: str, response_id: str, call_id: str, arguments: str) -> bool:  # noqa: ARG002
        """Whether this is a tool that the call itself does."""
        return False

    def _start(self, response_id: str, call_id: str, name: str, arguments: str) -> None:
        if not self._tools.confirmed(name, arguments, self._turns_taken):
            self._tools.put(response_id, call_id, prompts.CONFIRM)
        elif not self._tools.start(response_id, call_id, name, self._desk.now):
            self._tools.put(response_id, call_id, prompts.TOO_MANY)
        elif (server := self._guard(name)) is None:
            self._desk.put(do.RunTool(call_id, name, arguments))
        else:
            self._tools.hold_back(call_id, arguments)
            self._seek_leave_of(server, call_id, name, arguments)

    # --- Leave to use a tool ---

    def _guard(self, name: str) -> McpServer | None:
        """The server of a tool that needs somebody's leave."""
        server = self._tools.manners(name)
        if not isinstance(server, McpServer):
            return None
        return None if server.approval_of(self._tool_of(name)[1]) == "never" else server

    def _tool_of(self, name: str) -> tuple[str, str]:
        """A function of the model's is which tool of which server's."""
        label = server_of(name, self.agent.private) or ""
        return label, name.removeprefix(f"{label}_")

    def _seek_leave_of(self, server: McpServer, call_id: str, name: str, arguments: str) -> None:
        label, tool = self._tool_of(name)
        approval_id, wait_s = self._desk.new_id(), server.approval_timeout_s
        verdict = None if server.approval_of(tool) == "operator" else "policy"
        approval = PendingApproval(tool, server, inf, label, approval_id, wait_s, call_id)
        self._seek_leave(approval, verdict, arguments or "{}")

    def _decide(self, approval: PendingApproval, outcome: str) -> None:
        super()._decide(approval, outcome)
        call_id = approval.call_id
        if call_id is None:
            return
        if outcome in ALLOWED:
            name, arguments = self._tools.let_run(call_id, self._desk.now)
            self._desk.put(do.RunTool(call_id, name, arguments))
        else:
            self._finish(call_id, prompts.denied(outcome), "denied", answer=True)

    def _on_approval_answered(self, event: inputs.ApprovalAnswered) -> None:
        super()._on_approval_answered(event)
        self._hand_in()

    def _look_at_approvals(self) -> None:
        super()._look_at_approvals()
        self._hand_in()

    # --- What came of it ---

    def _on_tool_finished(self, event: inputs.ToolFinished) -> None:
        if event.call_id not in self._tools.at_work:
            return
        self._finish(event.call_id, event.output, event.outcome, answer=True)
        self._hand_in()

    def _finish(self, call_id: str, output: str, outcome: str, *, answer: bool) -> None:
        running = self._tools.finish(call_id, output, answer=answer)
        if running is not None:
            self._note(events.ToolCompleted(running.name, outcome, running.ran_s(self._desk.now)))

    def _holding(self) -> bool:
        return self._tools.holding or super()._holding()

    def _can_hold(self) -> bool:
        """Whether the caller can hear a sound of ours."""
        return False

    def _working(self) -> bool:
        return bool(self._tools.running) or super()._working()

    def _hand_in(self) -> None:
        """The outputs of one response go in together, and are answered once."""
        for entry in self._tools.complete():
            for call_id, output in entry.outputs:
                self._output(call_id, output)
            if entry.to_be_answered:
                self.responses.forget("filler")
                self._want(ResponseRequest("tool_output", any_will_do=True))
        due = self._tools.filler_due()
        if due is None:
            self._desk.timers.clear(Timer.FILLER)
        else:
            self._desk.timers.set(Timer.FILLER, due)

    def _cut_off_tools(self) -> None:
        """What the caller's words make void, by each function's own policy."""
        for running in self._tools.cut_off():
            if running.held_back is None:
                self._desk.put(do.CancelTool(running.call_id))
            self._withdraw(self._approvals.of(running.call_id))
            self._finish(running.call_id, prompts.CANCELLED, "cancelled", answer=False)
        self._hand_in()

    def _fill(self) -> None:
        """The caller has waited for long enough without a sound."""
        running = self._tools.filler(self._desk.now)
        instead = running is not None and running.manners.hold and not running.manners.filler
        if instead and self._can_hold():
            pass  # a sound in place of words
        elif running is not None and not self._caller_speaking and not self._busy():
            said = running.manners.filler
            words = prompts.word_for_word(said) if said else prompts.instructed(prompts.FILLER)
            self._want(ResponseRequest("filler", words))
        self._hand_in()

    def _transfer(self, response_id: str, call_id: str, arguments: str | None) -> None:
        wanted = end_plan.target_of(arguments)
        party = self.agent.transfers.get(wanted.target)
        if party is None:
            names = ", ".join(self.agent.transfers)
            self._tools.put(response_id, call_id, f"There is no such target. There are: {names}.")
        elif closed := self._closed(party):
            self._tools.put(response_id, call_id, prompts.closed(wanted.target, closed))
        else:
            to = end_plan.way_to(party, wanted.summary)
            self._depart(EndPlan(Ending.TRANSFERRED, call_id, to))

    def _closed(self, party: TransferDestination) -> str | None:
        """Until when nobody is there, in words; None while somebody is, or no hours are named."""
        if party.hours is None or self.unix_offset_s is None:
            return None
        unix_s = self._desk.now + self.unix_offset_s + self.hours_shift_s
        return None if party.hours.open_at(unix_s) else party.hours.closed_until(unix_s)
