"""Actions of operators on running calls of this process."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from gateway.agents.config.agent import Agent
from gateway.agents.config.outbound import E164
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.call import commands, inputs
from gateway.call.dialogue import end_plan
from gateway.call.endings import Ending

ACCEPTED: Final = 202
_NOBODY_TALKS: Final = "The call has no conversation now: it is starting or ending."


class OperatorAction(Struct):
    """Request for a call; which fields count depends on its name."""

    name: Literal["hangup", "say", "transfer", "image", "approve", "record"]
    text: str = ""
    """What is said, or what a picture shows."""
    to: str = ""
    summary: str = ""
    image: str = ""
    """Data URL of a picture that was made small."""
    approval: str = ""
    approve: bool = False
    paused: bool = False


class ActionOutcome(Struct):
    """Result of an action: an HTTP status, and what the operator is told."""

    status: int
    sentence: str = ""
    """Why it was refused."""
    action: str = ""
    """What was done."""
    call: str = ""
    """The call's key; the next three are for the log."""
    call_sid: str = ""
    call_id: str = ""
    agent: str = ""


class OperatorActions:
    """Carries out actions on calls of this process."""

    def __init__(self, registry: CallRegistry, outbound: OutboundCalls) -> None:
        self._registry, self._outbound = registry, outbound

    async def perform(self, key: str, action: OperatorAction) -> ActionOutcome | None:
        """Return the outcome, None where this process has no such call. Raises NotDialled."""
        if action.name == "hangup" and self._registry.call(key) is None:
            # A call that we placed and that still rings has no conversation yet.
            if not await self._outbound.cancel(key):
                return None
            return ActionOutcome(ACCEPTED, action="hangup", call=key, call_sid=key)
        # Nothing is awaited between finding the call and the request to it.
        call = self._registry.call(key)
        return None if call is None else _performed(call, action)


def _performed(call: LiveCall, action: OperatorAction) -> ActionOutcome:
    match action.name:
        case "hangup":
            call.hang_up(Ending.OPERATOR_HUNG_UP)
            return _done(call, "hangup")
        case "say":
            return _asked(call, "say", inputs.SayRequested(action.text))
        case "image":
            return _asked(call, "image", inputs.ShowImageRequested(action.image, action.text))
        case "transfer":
            wish = _target(call.machine.agent, action.to, action.summary)
            if isinstance(wish, str):
                return ActionOutcome(422, wish)
            return _asked(call, "transfer", wish)
        case "approve":
            return _answered(call, action)
        case "record":
            return _paused(call, action.paused)


def _asked(call: LiveCall, name: str, wish: inputs.OperatorRequest) -> ActionOutcome:
    return _done(call, name) if call.ask(wish) else ActionOutcome(409, _NOBODY_TALKS)


def _answered(call: LiveCall, action: OperatorAction) -> ActionOutcome:
    stands = call.allow(action.approval, action.approve)
    if stands is None:
        return ActionOutcome(404, "The call has no such request for approval.")
    if stands == "waiting":
        return ActionOutcome(409, "The model is being reconnected: try again.")
    if stands != ("approved" if action.approve else "denied"):
        return ActionOutcome(409, f"It was answered before: {stands}.")
    return _done(call, stands)


def _paused(call: LiveCall, paused: bool) -> ActionOutcome:
    """Pause or resume the recording."""
    recording = call.machine.recording
    if not recording.wanted:
        return ActionOutcome(409, "The call is not recorded.")
    call.notify(inputs.RecordingPauseRequested(paused, "operator"))
    if not paused and recording.paused:
        return ActionOutcome(409, "The recording stays paused: somebody else paused it too.")
    return _done(call, "pause_recording" if paused else "resume_recording")


def _done(call: LiveCall, action: str) -> ActionOutcome:
    facts = call.facts
    return ActionOutcome(
        ACCEPTED,
        action=action,
        call=facts.key,
        call_sid=facts.call_sid,
        call_id=facts.call_id,
        agent=facts.agent,
    )


def _target(agent: Agent, to: str, summary: str) -> inputs.TransferRequested | str:
    """Return the transfer an operator asks for, whatever the opening hours, or why not."""
    if to in agent.transfers:
        return inputs.TransferRequested(end_plan.way_to(agent.transfers[to], summary))
    if E164.fullmatch(to):
        return inputs.TransferRequested(commands.TransferCaller(to))
    names = ", ".join(agent.transfers) or "none"
    return f"Send a number like +15550123 or one of this agent's targets: {names}."
