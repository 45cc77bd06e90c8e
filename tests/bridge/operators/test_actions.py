"""Actions on calls of this process; over the API they are tested in `tests/web/api`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_ID, CALL_SID, SIP_CALL
from gateway_calls import QUIET, new_sid
from running_gateway import GatewayRig

from gateway.agents.config.agent import Agent
from gateway.bridge.operators.actions import ActionOutcome, OperatorAction, OperatorActions
from gateway.call import commands, events, inputs
from gateway.call.endings import Ending


class NobodyRings:
    """Outbound calls of a process that has none."""

    async def cancel(self, _call_sid: str) -> bool:
        return False


async def test_every_action_has_an_outcome(rig: GatewayRig) -> None:
    actions = OperatorActions(rig.gateway.registry, NobodyRings())  # type: ignore[arg-type] # as one
    assert await actions.perform(new_sid("CA"), OperatorAction("hangup")) is None
    assert await actions.perform(new_sid("CA"), OperatorAction("say", "Hello.")) is None
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.ModelReady)
        await rig.note(events.CallerConnected)
        for action, status in (
            (OperatorAction("say", "Hello."), 202),
            (OperatorAction("transfer", to="nobody"), 422),
            (OperatorAction("approve", approval="none", approve=True), 404),
            (OperatorAction("record", paused=True), 409),
            (OperatorAction("hangup"), 202),
        ):
            outcome = await actions.perform(stream.call_sid, action)
            assert outcome is not None
            assert outcome.status == status, action.name
            assert bool(outcome.sentence) == (status != 202)


# --- Each action, and each reason why it is refused ---

AGENT = Agent.model_validate(
    {
        "name": "direct",
        "instructions": "Answer.",
        "tools": ["transfer"],
        "transfers": {"sales": {"to": "+15550123"}, "desk": {"to": "+15550124"}},
    }
)
NO_TALK = "The call has no conversation now: it is starting or ending."


class OperatedCall:
    """A call that does as the test says, and writes down what it is asked."""

    def __init__(self, **what: Any) -> None:
        self.facts, self.asked = SIP_CALL, list[object]()
        self._talks, self._stands = what.pop("talks", True), what.pop("stands", None)
        recording = SimpleNamespace(
            wanted=what.pop("recorded", False), paused=what.pop("stays_paused", False)
        )
        self.machine = SimpleNamespace(agent=AGENT, recording=recording)
        assert not what

    def hang_up(self, ending: Ending) -> None:
        self.asked.append(ending)

    def ask(self, request: object) -> bool:
        if self._talks:
            self.asked.append(request)
        return bool(self._talks)

    def allow(self, approval: str, approve: bool) -> str | None:
        self.asked.append((approval, approve))
        stands: str | None = self._stands
        return stands

    def notify(self, event: object) -> None:
        self.asked.append(event)


def done(action: str) -> ActionOutcome:
    return ActionOutcome(
        202, "", action, call=CALL_ID, call_sid=CALL_SID, call_id=CALL_ID, agent="direct"
    )


PAUSED, RESUMED = (inputs.RecordingPauseRequested(paused, "operator") for paused in (True, False))
APPROVE = OperatorAction("approve", approval="ap_1", approve=True)
DENY = OperatorAction("approve", approval="ap_1", approve=False)
TO_NUMBER = inputs.TransferRequested(commands.TransferCaller("+15550199"))
BEFORE = "It was answered before: {}."
DONE = {
    "hangup": (OperatorAction("hangup"), {}, "hangup", [Ending.OPERATOR_HUNG_UP]),
    "say": (OperatorAction("say", "Hi."), {}, "say", [inputs.SayRequested("Hi.")]),
    "image": (
        OperatorAction("image", "a cat", image="data:x"),
        {},
        "image",
        [inputs.ShowImageRequested("data:x", "a cat")],
    ),
    "transfer": (OperatorAction("transfer", to="+15550199"), {}, "transfer", [TO_NUMBER]),
    "approve": (APPROVE, {"stands": "approved"}, "approved", [("ap_1", True)]),
    "deny": (DENY, {"stands": "denied"}, "denied", [("ap_1", False)]),
    "pause": (
        OperatorAction("record", paused=True),
        {"recorded": True, "stays_paused": True},
        "pause_recording",
        [PAUSED],
    ),
    "resume": (OperatorAction("record"), {"recorded": True}, "resume_recording", [RESUMED]),
}
REFUSED = {
    "say": (OperatorAction("say", "Hi."), {"talks": False}, 409, NO_TALK),
    "image": (OperatorAction("image", image="data:x"), {"talks": False}, 409, NO_TALK),
    "transfer": (OperatorAction("transfer", to="sales"), {"talks": False}, 409, NO_TALK),
    "no target": (
        OperatorAction("transfer", to="shop"),
        {},
        422,
        "Send a number like +15550123 or one of this agent's targets: sales, desk.",
    ),
    "unknown": (APPROVE, {}, 404, "The call has no such request for approval."),
    "waiting": (
        APPROVE,
        {"stands": "waiting"},
        409,
        "The model is being reconnected: try again.",
    ),
    "denied before": (APPROVE, {"stands": "denied"}, 409, BEFORE.format("denied")),
    "approved before": (DENY, {"stands": "approved"}, 409, BEFORE.format("approved")),
    "expired before": (DENY, {"stands": "expired"}, 409, BEFORE.format("expired")),
    "not recorded": (OperatorAction("record", paused=True), {}, 409, "The call is not recorded."),
    "stays paused": (
        OperatorAction("record", paused=False),
        {"recorded": True, "stays_paused": True},
        409,
        "The recording stays paused: somebody else paused it too.",
    ),
}


async def performed(call: OperatedCall | None, action: OperatorAction) -> ActionOutcome | None:
    registry: Any = SimpleNamespace(call={CALL_ID: call}.get)
    return await OperatorActions(registry, NobodyRings()).perform(CALL_ID, action)  # type: ignore[arg-type]


@pytest.mark.parametrize(("action", "is_", "name", "asked"), DONE.values(), ids=DONE)
async def test_what_is_done(
    action: OperatorAction, is_: dict[str, Any], name: str, asked: list[object]
) -> None:
    call = OperatedCall(**is_)
    assert await performed(call, action) == done(name)
    assert call.asked == asked


@pytest.mark.parametrize(("action", "is_", "status", "sentence"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused(
    action: OperatorAction, is_: dict[str, Any], status: int, sentence: str
) -> None:
    assert await performed(OperatedCall(**is_), action) == ActionOutcome(status, sentence)


async def test_one_who_is_not_recorded_is_not_told_to_pause() -> None:
    call = OperatedCall()
    await performed(call, OperatorAction("record", paused=True))
    assert call.asked == []


async def test_a_target_of_the_agents_file_has_its_name_and_summary() -> None:
    call = OperatedCall()
    assert await performed(call, OperatorAction("transfer", to="sales", summary="A cat."))
    [wish] = call.asked
    assert isinstance(wish, inputs.TransferRequested)
    assert wish.to.to == "+15550123"


@pytest.mark.parametrize("rings", [False, True])
async def test_a_call_that_rings_is_cancelled(rings: bool) -> None:
    cancelled: list[str] = []

    class Ringing:
        async def cancel(self, call_sid: str) -> bool:
            cancelled.append(call_sid)
            return rings

    registry: Any = SimpleNamespace(call=lambda _: None)
    actions = OperatorActions(registry, Ringing())  # type: ignore[arg-type]
    outcome = ActionOutcome(202, action="hangup", call=CALL_SID, call_sid=CALL_SID)
    assert await actions.perform(CALL_SID, OperatorAction("hangup")) == (outcome if rings else None)
    assert cancelled == [CALL_SID]
    assert await actions.perform(CALL_SID, OperatorAction("say", "Hi.")) is None
    assert cancelled == [CALL_SID], "only to hang up"
