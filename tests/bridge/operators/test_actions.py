"""Actions on calls of this process; over the API they are tested in `tests/web/api`."""

from __future__ import annotations

from gateway_calls import QUIET, new_sid
from running_gateway import GatewayRig

from gateway.bridge.operators.actions import OperatorAction, OperatorActions
from gateway.call import events


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
