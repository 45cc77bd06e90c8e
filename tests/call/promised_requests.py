"""What a call owes: each thing that the model was told is answered, and each wait has an end.

Kept from what goes over the wires, like the umpire's accounts. What is checked here must hold at
any time; `peace.py` has the far ends behave, after which nothing may be owed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from call import wires
from gateway import limits
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import Out
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.machine import CallMachine
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.protocols import realtime_server as model

_BY_POLICY: Final = frozenset(
    {prompts.CANCELLED, prompts.NOT_ENDED, prompts.NOT_TRANSFERRED, prompts.NOT_SENT}
)
"""Outputs given because the caller speaks: the caller's words are answered then."""
_LATE_S: Final = 1e-3
_LEAVES_WITHIN_S: Final = 2 * limits.call.ENDING_MAX_S + limits.call.TRANSFER_MAX_S + _LATE_S
"""Told goodbye, handed over in vain, and told goodbye again."""


class Promises:
    def __init__(self, call: CallMachine) -> None:
        self._call = call
        self.now = 0.0
        self.owed: dict[str, tuple[int, float]] = {}
        """What the model was told and no response has begun with: which item, and when."""
        self._met: set[str] = set()
        self._just_met: dict[str, tuple[int, float]] = {}
        self._items = 0
        self._asked: tuple[int, bool] | None = None
        """Of the `response.create` in flight: the last item before it, whether it says what."""
        self._asked_by: str | None = None
        self._own_from: int | None = None
        """The last item before the caller's turn ended: the server's own begins with that."""
        self.tools: dict[str, str] = {}
        """Functions that run, by call_id."""
        self.approvals: dict[str, float] = {}
        """Requests that wait, and until when."""
        self.turn: str | None = None
        """The caller's that is not over: `begun`, or `untold` in the session in use."""
        self._goodbye_at: float | None = None
        self._arrived_at: float | None = None

    # --- What happens ---

    def before(self, event: object, now: float) -> None:
        self.now = now
        match event:
            case model.ResponseCreated():
                self._begins()
            case model.SpeechStarted():
                self.turn = "begun"
            case model.SpeechStopped():
                self._own_from = self._items
            case model.Committed():
                self._turn_over(event.item_id)
            case model.Error() if event.error.code == "conversation_already_has_active_response":
                self.owed |= self._just_met  # so it was another that began
                self._asked = None
            case model.Error() if event.error.event_id == self._asked_by:
                self._asked = None
            case model.ResponseDone():
                if self._asked is not None:
                    self._begins()  # its beginning fell into a time without a sideband
                made = {item.call_id for item in event.response.output or () if item.call_id}
                self._met -= made
                self._just_met = {}  # a refusal from now on is of no request of ours
            case inputs.ModelLost():
                self._session_goes()
            case inputs.ToolFinished():
                self.tools.pop(event.call_id, None)

    def _turn_over(self, item_id: str) -> None:
        self.turn = None
        call = self._call
        cut = (
            call.ctx.responses.busy and call.model_link.rules.server_interrupts
        )  # then the server's come in order
        if call.agent.client_turns or (call.ctx.server_answers and not cut):
            self._items += 1
            self.owed[f"turn {item_id}"] = self._items, self.now
        self._own_from = self._items

    def _begins(self) -> None:
        own_from = self._items if self._own_from is None else self._own_from
        last, instructed = self._asked or (own_from, False)
        self._just_met, self._asked, self._own_from = {}, None, None
        if not instructed:
            self._just_met = {key: at for key, at in self.owed.items() if at[0] <= last}
            self.owed = {key: at for key, at in self.owed.items() if at[0] > last}
            self._met |= self._just_met.keys()

    def _session_goes(self) -> None:
        """The response that was asked for last, or the server's own, may have begun unseen."""
        due = self._asked is not None or self._own_from is not None
        if due and self._call.agent.path == "sip":
            self._begins()
        self._asked = self._own_from = None
        self._just_met = {}  # nothing is refused any more of what was asked there
        self.turn = self.turn and "untold"

    # --- What comes of it ---

    def after(self, outs: Sequence[Out], now: float) -> None:
        self.now = now
        for out in outs:
            self._look_at(out)
        self._look_at_life()

    def _look_at(self, out: Out) -> None:
        match out:
            case do.SendToModel() | do.SendToNextSession():
                self._sent(wires.to_model(out.data))
            case do.OpenModel() | do.SwitchToNextSession():
                self._session_goes()
            case do.RunTool():
                assert out.call_id not in self.tools, "it runs already"
                self.tools[out.call_id] = out.name
            case do.CancelTool():
                assert self.tools.pop(out.call_id, None), "cancelled, and does not run"
            case do.DetachTool():
                assert self.tools.pop(out.call_id, None), "runs on, and does not run"
            case events.ApprovalRequested():
                self.approvals[out.approval_id] = self.now + out.wait_s
            case events.ApprovalResolved():
                self.approvals.pop(out.approval_id, None)
            case events.CallerConnected():
                self._arrived_at = self.now
            case events.CallEnded():
                self._end(out)

    def _sent(self, event: dict[str, Any]) -> None:
        if event["type"] == "response.create":
            self._asked = self._items, "instructions" in (event.get("response") or {})
            self._asked_by = event["event_id"]
        elif event["type"] == "conversation.item.delete":
            self.owed.pop(f"turn {event['item_id']}", None)  # "Uh-huh" is no turn
        elif event["type"] == "conversation.item.create":
            key = _calls_for_an_answer(event["item"], event["event_id"])
            if key is not None and key not in self._met:
                self._items += 1
                self.owed[key] = self._items, self.now

    def _look_at_life(self) -> None:
        life, now = self._call.phase, self.now
        if life is not CallPhase.GOODBYE:
            self._goodbye_at = None
        elif self._goodbye_at is None:
            self._goodbye_at = now
            self._idle_for_a_reason()
        lasts_s = now - (now if self._goodbye_at is None else self._goodbye_at)
        assert lasts_s <= limits.call.ENDING_MAX_S + _LATE_S, "a goodbye without end"
        if life is not CallPhase.CLOSED and self._arrived_at is not None:
            here_s = now - self._arrived_at
            assert here_s <= self._call.agent.max_call_s + _LEAVES_WITHIN_S, "longer than it may"
            self._somebody_is_waited_for()

    def _somebody_is_waited_for(self) -> None:
        """Whatever a call is in, something will end it."""
        timers, life = self._call.ctx.timers, self._call.phase
        if life is CallPhase.TALKING:
            assert Timer.LENGTH in timers, "for ever"
            lost = self._call.link is not LinkState.READY
            assert not lost or Timer.READY in timers, "and the model is not had again"
        elif life is CallPhase.GOODBYE:
            assert Timer.GOODBYE in timers, "a goodbye that nobody watches"
        else:
            assert Timer.TRANSFER in timers, "on its way out, and nobody looks"

    def _idle_for_a_reason(self) -> None:
        call: Any = self._call
        leaving = call.goodbye.plan
        if leaving is None or leaving.ending is not Ending.IDLE:
            return
        assert not self.owed, f"nobody speaks, since nobody was told of {self.owed}"
        assert not call.work.hosted.owed, "nor of what came of a hosted call"
        assert not call.images.waiting, "nor shown what the caller sent"
        assert not call.ctx.caller.typing, "nor given what was typed"
        assert not self.tools, "a function still runs"
        assert not self.approvals, "an approval is awaited"

    def _end(self, _note: events.CallEnded) -> None:
        assert not self.tools, f"still running: {self.tools}"
        assert not self.approvals, f"never decided: {self.approvals}"


def _calls_for_an_answer(item: dict[str, Any], event_id: str) -> str | None:
    """By what it is known, if the model should say something about it."""
    if item["type"] == "function_call_output":
        hosted = str(item["call_id"]).startswith("mcp_")  # the server tells of those by itself
        return None if hosted or item["output"] in _BY_POLICY else str(item["call_id"])
    if item["type"] != "message" or item["role"] != "user":
        return None
    told_again = str(item.get("id", "")).startswith("history_")
    camera = any(part.get("text") == prompts.CAMERA for part in item["content"])
    return None if told_again or camera else str(item.get("id", event_id))
