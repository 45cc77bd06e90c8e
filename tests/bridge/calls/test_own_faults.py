"""Bugs of our own: whatever breaks, a call that is over is over for everybody."""

from __future__ import annotations

import pytest
from gateway_calls import QUIET
from running_gateway import GatewayRig
from structlog.testing import capture_logs

from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.limits.admission import Admission
from gateway.ops.telemetry.logs import CallLog
from gateway.ops.telemetry.metrics import Metrics


def breaks(*_args: object, **_values: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("who", "what"),
    [(Metrics, "on_event"), (CallLog, "on_event"), (Metrics, "call_over"), (Admission, "restore")],
)
async def test_whoever_is_told_and_breaks_the_call_ends_and_is_let_go(
    rig: GatewayRig, monkeypatch: pytest.MonkeyPatch, who: type, what: str
) -> None:
    monkeypatch.setattr(who, what, breaks)
    with capture_logs() as told:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.CallerConnected)
            await stream.stop()
            assert (await rig.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP
    assert rig.gateway.registry.active == 0
    assert any(one["event"] == "a note was lost" for one in told)
