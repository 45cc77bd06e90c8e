"""A call of ours was taken: by a person, a machine or a fax. What each of them gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.agents.config.agent import Agent
from gateway.call import events, inputs
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.endings import Ending
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.tools.hosted_approvals import HostedApprovals
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model

_DEAF: Final = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
"""A machine's silence, and noises in it, are nobody's turn: nothing may cut the message."""
_OF_TURNS: Final = (model.SpeechStarted, model.SpeechStopped, model.Committed)


class DetectedCall(HostedApprovals):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, session, new_id, now)
        self._detected = self._message_due = False

    def _detection_table(self) -> dict[type, Callable[[Any], None]]:
        return {inputs.MachineDetectionFinished: self._on_answered_by}

    @abstractmethod
    def _fall_silent(self) -> None:
        """The caller does not speak."""

    @property
    def _leaves_message(self) -> bool:
        return self._departure is not None and self._departure.message is not None

    def _on_answered_by(self, event: inputs.MachineDetectionFinished) -> None:
        if self._detected:
            return
        self._detected = True
        self._note(events.AnswererDetected(event.who))
        outbound = self.agent.outbound
        policy = outbound.policy(event.who) if outbound is not None else "talk"
        if policy == "hang_up":
            self._end(Ending.MACHINE_ANSWERED, event.who)
        self._message_due = policy == "leave_message"

    def _leave_message(self) -> None:
        """After the beep: whatever was being said to the machine's greeting is cut off."""
        self._message_due = False
        self._stay()
        outbound = self.agent.outbound
        if self.life is not CallPhase.TALKING or outbound is None:
            return
        self._desk.to_model(to_model.session_update(_DEAF, self._desk.new_id()))
        for kind in _OF_TURNS:  # what was on its way when the session was told so
            self._handlers.pop(kind, None)
        self._opened = self._greeted = True
        self._fall_silent()
        if self.responses.active_id is not None:
            self._cancel(self.responses.active_id)
        self._cut()
        self.responses.forget_all()
        self._depart(EndPlan(Ending.MESSAGE_LEFT, firm=True, message=outbound.message))

    def _talks_to_machine(self) -> bool:
        """Whether the response that begins is any other than the message."""
        return self._leaves_message and self.responses.purpose != "farewell"

    def _settle(self) -> None:
        talks = self.life in (CallPhase.TALKING, CallPhase.GOODBYE) and self._can_be_heard()
        if self._message_due and talks and self.link is LinkState.READY:
            self._leave_message()
        super()._settle()
