"""Bugs of our own: whatever breaks, a call that is over is over for everybody."""

from __future__ import annotations

from gateway_calls import QUIET
from running_gateway import GatewayRig
from structlog.testing import capture_logs

from gateway.call import events
from gateway.call.endings import Ending


def breaks(*_args: object, **_values: object) -> None:
    raise RuntimeError("a bug")


async def test_a_subscriber_that_raises_and_the_call_ends_as_ever(rig: GatewayRig) -> None:
    rig.gateway.events.subscribe(breaks)
    with capture_logs() as told:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.CallerConnected)
            await stream.stop()
            assert (await rig.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP
    assert rig.gateway.registry.active == 0
    assert any(one["event"] == "event_subscriber_failed" for one in told)
