"""Open work of a call: functions, hosted calls and approvals, and where outputs go."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import LinkState
from gateway.call.timers import Timer
from gateway.call.tools.hosted_calls import HostedCalls
from gateway.call.tools.pending_approvals import PendingApprovals
from gateway.call.tools.running_calls import RunningCalls
from gateway.protocols import realtime_items as items


class OpenWork:
    """Function calls, hosted calls and approvals that are open, in one place."""

    def __init__(self, ctx: CallContext, offered: Iterable[str], *, session_lives_on: bool) -> None:
        """`offered` are the functions of the session. `session_lives_on`: it outlives the
        connection to it, and waits for every output of a function that it has called.
        """
        self._ctx, self._session_lives_on = ctx, session_lives_on
        self.running = RunningCalls(ctx.agent.tool_options_of(offered))
        self.hosted = HostedCalls(ctx.agent.hosted)
        self.approvals = PendingApprovals()
        self._unsent: list[tuple[str, str]] = []
        """Outputs that the session has not been given: call_id, output."""

    def equip(self, offered: Iterable[str]) -> None:
        """Take the tools of the agent that leads the call from now on."""
        self.running.equip(self._ctx.agent.tool_options_of(offered))
        self.hosted.serve(self._ctx.agent.hosted)

    @property
    def working(self) -> bool:
        """Whether something is being done for the caller, or the caller is typing."""
        return bool(
            self._ctx.caller.typing
            or self.running.running
            or self.hosted.working
            or self.approvals.waiting
            or self._ctx.responses.long_pause
        )

    @property
    def under_way(self) -> bool:
        """Whether something was begun that the end of the call has to wait for."""
        hosted = self.hosted
        return bool(self.running.at_work) or hosted.running or hosted.go_on_at is not None

    @property
    def hold_tone_due(self) -> bool:
        """Whether the caller waits for something during which a hold tone is to be heard."""
        return (
            self.running.holding
            or self.hosted.holding
            or self.approvals.holding
            or self._ctx.responses.long_pause
        )

    @property
    def goes_with_session(self) -> bool:
        """Whether something is under way that would be lost in a change of sessions."""
        return self.hosted.working or bool(self.approvals.of(None))

    # --- Outputs of functions ---

    def finish(self, call_id: str, output: str, outcome: str, *, answer: bool) -> None:
        """A function is done; `answer`: the model is to go on with what came of it."""
        running = self.running.finish(call_id, output, answer=answer)
        if running is not None:
            ran_s = running.ran_s(self._ctx.now)
            self._ctx.put(events.ToolCompleted(running.name, outcome, ran_s))

    def answer_apart(self, call_id: str, output: str, outcome: str) -> None:
        """Give the session in use a function's output now, whatever else its response called."""
        running = self.running.withdraw(call_id)
        if running is not None:
            self._ctx.put(events.ToolCompleted(running.name, outcome, running.ran_s(self._ctx.now)))
            self.output(call_id, output)

    def hand_in(self) -> None:
        """Give the model the outputs of each response that are complete, to be answered once."""
        for entry in self.running.complete():
            for call_id, output in entry.outputs:
                self.output(call_id, output)
            if entry.to_be_answered:
                self._ctx.responses.forget("filler")
                self._ctx.request(ResponseRequest("tool_output", any_will_do=True))
        due = self.running.filler_due()
        if due is None:
            self._ctx.timers.clear(Timer.FILLER)
        else:
            self._ctx.timers.set(Timer.FILLER, due)

    def answer(self, call_id: str, output: str) -> None:
        """Give the model an output, and have it go on with that."""
        self.output(call_id, output)
        self._ctx.request(ResponseRequest("tool_output", any_will_do=True))

    def output(self, call_id: str, output: str) -> None:
        ctx = self._ctx
        call = ctx.history.answered(call_id, output)
        if ctx.link is not LinkState.READY:
            if self._session_lives_on:
                self._unsent.append((call_id, output))
            return  # any other session learns of it from the history
        calls = [call.as_item()] if call else []
        for item in (*calls, items.function_output(call_id, output)):
            if item is not None:
                ctx.create_item(item)

    def interrupted(self, outputs: list[tuple[str, str]]) -> None:
        """Take over what stands for the outputs of another process's function calls."""
        if self._session_lives_on:
            self._unsent = outputs

    def send_unsent(self) -> bool:
        """Give the session the outputs that it still waits for; False when there are none."""
        unsent, self._unsent = self._unsent, []
        for call_id, output in unsent:
            self.output(call_id, output)
        return bool(unsent)
