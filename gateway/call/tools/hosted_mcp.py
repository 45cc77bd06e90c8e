"""Hosted MCP in a conversation: run by the model's server, steered by us.

Tools are offered when their list is in; what came of a call is told to the caller even where the
model does not go on by itself. Who allows a call stands in `hosted_approvals.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.dialogue.image_input import SightedCall
from gateway.call.endings import Ending
from gateway.call.responses import FILLERS, ResponseRequest
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.hosted_calls import ERRORS, HostedCall, HostedCalls
from gateway.call.tools.hosted_lists import HostedList
from gateway.call.tools.waits import PendingWork
from gateway.protocols import realtime_mcp as mcp
from gateway.protocols import realtime_server as model

ItemEvent = model.ItemAdded | model.ItemDone | model.OutputItemAdded | model.OutputItemDone


class HostedTools(SightedCall):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        self._mcp = HostedCalls(agent.hosted)
        self._hosts = bool(agent.hosted)
        super().__init__(agent, session, new_id, now)

    def _hosted_table(self) -> dict[type, Callable[[Any], None]]:
        if not self._hosts:
            return {}
        return {
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

    def _on_item(self, event: ItemEvent) -> None:
        """The same item comes in more than one event: it counts once."""
        item = event.item
        if item.id is None:
            return
        if item.type == "mcp_list_tools":
            label, tools = item.server_label or "", len(item.tools or ())
            self._on_list(self._mcp.lists.on_item(item.id, label, tools))
        elif item.type == "mcp_call":
            if isinstance(event, model.ItemAdded | model.OutputItemAdded):
                self._mcp.named(item)
            else:
                self._on_call_item(item, item.id)

    # --- Lists ---

    def _on_session_updated(self, event: model.SessionUpdated) -> None:
        was = self.link
        super()._on_session_updated(event)
        if self.link is LinkState.READY and was is not LinkState.READY:
            self._expect_lists()

    def _expect_lists(self) -> None:
        if self._mcp.lists.due is None and not self._mcp.lists.complete:
            self._mcp.lists.due = self._desk.now + limits.mcp.LIST_GRACE_S

    def _lists_late(self) -> None:
        """The model is not to offer what it does not have yet."""
        late = self._mcp.lists.overdue()
        for label in late:
            self._note(events.HostedToolsListed(label, "late"))
        if late:
            self._say_to_model(prompts.tools_late(" and ".join(late)))

    def _on_list(self, listed: HostedList | None) -> None:
        if listed is None:
            return
        self._note(events.HostedToolsListed(listed.label, listed.outcome, listed.tools))
        if listed.outcome != "ok":
            self._say_to_model(prompts.tools_gone(listed.label))
        elif listed.late:
            self._say_to_model(prompts.tools_there(listed.label))

    def _say_to_model(self, text: str) -> None:
        if self.link is LinkState.READY:
            self._tell_model(text)

    def _on_list_event(self, item_id: str, *, came: bool) -> None:
        self._on_list(self._mcp.lists.on_event(item_id, came=came))

    # --- Calls ---

    def _begin(self, item_id: str, arguments: str | None = None) -> None:
        """Its arguments are complete, or it runs already: whichever is told first."""
        call = self._mcp.begin(item_id, self._desk.now)
        if call is None:
            return
        self.tools_called += 1
        self.memory.called(item_id, call.function, arguments or "{}")
        self._note(events.HostedToolCalled(call.label, call.name))

    def _on_call_failed(self, event: mcp.McpCallFailed) -> None:
        """In which of three ways stands in the item, which may come later."""
        call = self._mcp.calls.get(event.item_id)
        if call is not None:
            call.failed_at = self._desk.now

    def _on_call_item(self, item: model.Item, item_id: str) -> None:
        if item.error is not None:
            kind = item.error.type
            self._answered(item_id, f"It failed: {item.error.message}")
            self._end_call(item_id, kind if kind in ERRORS else "error")
        elif item.output is not None:
            self._answered(item_id, item.output)
            self._end_call(item_id, "ok")

    def _answered(self, item_id: str, output: str) -> None:
        if self._mcp.first_output(item_id):
            self.memory.answered(item_id, output)

    def _end_call(self, item_id: str, outcome: str) -> None:
        call = self._mcp.end(item_id)
        if call is None:
            return
        seconds = max(0.0, self._desk.now - call.since)
        self._note(events.HostedToolCompleted(call.label, outcome, seconds))
        self._mcp.owed = True
        if not self._mcp.working:
            self.responses.forget("mcp_filler")

    def _too_slow(self, call: HostedCall) -> None:
        self._end_call(call.item_id, "timeout")
        self._answered(call.item_id, prompts.took_too_long(call.name))
        self._say_to_model(prompts.took_too_long(call.name))

    def _working(self) -> bool:
        return self._mcp.working or super()._working()

    # --- What came of it is told ---

    def _heard_by_model(self) -> None:
        """A response began: what is in by now, it knows; a filler is told not to say it."""
        if self.responses.purpose not in FILLERS:
            self._mcp.told()

    def _run_calls(self, response: model.Response) -> None:
        super()._run_calls(response)
        kinds = [item.type for item in response.output or ()]
        calls = [at for at, kind in enumerate(kinds) if kind == "mcp_call"]
        if calls and "message" in kinds[calls[-1] :]:
            self._mcp.told()  # the model went on by itself, in the same response

    def _settle(self) -> None:
        if self._hosts:
            self._settle_hosted()
        super()._settle()

    def _settle_hosted(self) -> None:
        ready = self.link is LinkState.READY and self.life is CallPhase.TALKING
        if not self._mcp.owed or self.responses.busy or not ready or self._mcp.running:
            self._mcp.go_on_at = None
        elif self._mcp.go_on_at is None:
            self._mcp.go_on_at = self._desk.now + limits.mcp.GO_ON_GRACE_S
        due = self._mcp.due()
        if due is None:
            self._desk.timers.clear(Timer.HOSTED)
        else:
            self._desk.timers.set(Timer.HOSTED, due)

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.HOSTED:
            self._look_at_hosted()
            self._settle_hosted()
        else:
            super()._on_timer(timer)

    def _look_at_hosted(self) -> None:
        now = self._desk.now
        if self._mcp.lists.due is not None and self._mcp.lists.due <= now:
            self._lists_late()
        for call in [one for one in self._mcp.calls.values() if one.over_at <= now]:
            if call.failed_at is not None:
                self._end_call(call.item_id, "error")
            else:
                self._too_slow(call)
        self._fill_hosted()
        if self._mcp.go_on_at is not None and self._mcp.go_on_at <= now:
            self._go_on()

    def _go_on(self) -> None:
        """The model does not by itself."""
        denied = self._mcp.denied
        self._mcp.told()
        if denied is not None:
            self._want(ResponseRequest("denied", prompts.tell_denied(denied)))
        else:
            self._want(ResponseRequest("mcp_output", any_will_do=True))

    def _fill_hosted(self) -> None:
        """The caller has waited for long enough without a sound."""
        quiet = self.life is CallPhase.TALKING and not (self._caller_speaking or self._busy())
        wait = self._mcp.filler(self._desk.now, quiet=quiet)
        if wait is None:
            return
        words = self._words_for(wait)
        if words is not None:
            self._want(ResponseRequest("mcp_filler", words))

    def _words_for(self, wait: PendingWork) -> dict[str, Any] | None:
        """What he is told; None where a sound takes the place of words."""
        said = wait.manners.filler
        if said:
            return prompts.word_for_word(said)
        instead = wait.manners.hold and self._can_hold()
        return None if instead else prompts.instructed(prompts.FILLER)

    def _server_works(self) -> bool:
        return self._mcp.running

    def _holding(self) -> bool:
        return self._mcp.holding or super()._holding()

    # --- Lost ---

    def _forget_session(self) -> None:
        """The server's calls went with it."""
        super()._forget_session()
        self._mcp.lists.relist()
        self._lose_calls()

    def _roll_if_quiet(self) -> None:
        if not self._mcp.working:
            super()._roll_if_quiet()

    def _roll(self) -> None:
        self._lose_calls()
        super()._roll()

    def _end(self, ending: Ending, reason: str = "") -> None:
        if self.life is not CallPhase.CLOSED:
            self._lose_calls()
        super()._end(ending, reason)

    def _lose_calls(self) -> None:
        for item_id in tuple(self._mcp.calls):
            self._answered(item_id, prompts.MCP_LOST)
            self._end_call(item_id, "lost")
