"""Answering machine detection: how a person, a machine or a fax is treated."""

from __future__ import annotations

from typing import Any, Final

from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue.call_screening import CallScreening
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.dialogue.greeting import Greeting
from gateway.call.dialogue.recording import CallRecording
from gateway.call.dialogue.turn_taking import TurnTaking
from gateway.call.endings import Ending
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.state_machines import CallPhase, LinkState
from gateway.protocols import realtime_client as to_model

_NO_TURN_DETECTION: Final[dict[str, Any]] = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": None}},
}
"""A machine's silence, and noises in it, are nobody's turn: nothing may cut the message."""


class MachineDetection(CallPart):
    """Talk to whoever answered an outbound call, leave a message, or hang up."""

    def __init__(
        self,
        ctx: CallContext,
        line: CallerLine,
        greeting: Greeting,
        goodbye: Goodbye,
        turns: TurnTaking,
        screening: CallScreening,
        recording: CallRecording,
    ) -> None:
        self._screening, self._recording = screening, recording
        self._ctx, self._line = ctx, line
        self._greeting, self._goodbye, self._turns = greeting, goodbye, turns
        self._detected = self._message_due = False
        self.handlers = {inputs.MachineDetectionFinished: self._on_finished}

    def _on_finished(self, event: inputs.MachineDetectionFinished) -> None:
        if self._detected:
            return
        self._detected = True
        self._ctx.put(events.AnswererDetected(event.who))
        outbound = self._ctx.agent.outbound
        policy = outbound.policy(event.who) if outbound is not None else "talk"
        if self._screening.waits and event.who == "machine":
            return  # that is the assistant, which was told who is calling
        if policy == "hang_up":
            self._ctx.end(Ending.MACHINE_ANSWERED, event.who)
        self._message_due = policy == "leave_message"

    def settle(self) -> None:
        if not self._message_due:
            return
        ctx = self._ctx
        talks = ctx.phase in (CallPhase.TALKING, CallPhase.GOODBYE) and self._line.can_be_heard()
        if talks and ctx.link is LinkState.READY:
            self._leave_message()

    def _leave_message(self) -> None:
        """After the beep: what was being said to the machine's greeting is cut off."""
        ctx, outbound = self._ctx, self._ctx.agent.outbound
        self._message_due = False
        self._goodbye.caller_adds()
        if ctx.phase is not CallPhase.TALKING or outbound is None:
            return
        ctx.to_model(to_model.session_update(_NO_TURN_DETECTION, ctx.new_id()))
        self._turns.stop_listening()
        self._greeting.skip()
        self._recording.machine_answered()
        if ctx.responses.active_id is not None:
            self._line.cancel_response(ctx.responses.active_id)
        self._line.cut()
        ctx.responses.forget_all()
        self._goodbye.start(EndPlan(Ending.MESSAGE_LEFT, firm=True, message=outbound.message))
