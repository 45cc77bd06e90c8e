"""Bugs of our own: whatever breaks, a call that is over is over for everybody."""

from __future__ import annotations

from time import monotonic

import pytest
from gateway_calls import QUIET
from running_gateway import GatewayRig
from structlog.testing import capture_logs

from gateway.bridge.calls.live_call import LiveCall
from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.limits.admission import Admission
from gateway.ops.telemetry.logs import CallLog
from gateway.ops.telemetry.metrics import Metrics


def breaks(*_args: object, **_values: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("who", "what"),
    [(Metrics, "on_event"), (CallLog, "on_event"), (Metrics, "call_over"), (Admission, "hold")],
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


async def test_what_cannot_be_carried_out_leaves_nothing_else_undone(
    rig: GatewayRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveCall, "_close_model", breaks)
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.CallerConnected)
        await stream.stop()
        assert (await rig.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP
    assert rig.gateway.registry.active == 0


async def test_a_call_that_cannot_do_what_it_must_ends_as_ours(
    rig: GatewayRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.carrier.call(QUIET):
        await rig.note(events.CallerConnected)
        (call,) = rig.gateway.registry.calls
        monkeypatch.setattr(call, "_replace_model", breaks)
        assert call._model is not None
        call.on_line_lost(call._model, "closed_1011", False, monotonic())
        assert (await rig.note(events.CallEnded)).ending is Ending.BUG
    assert rig.gateway.registry.active == 0
