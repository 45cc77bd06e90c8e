"""What follows calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from call_doubles import MEDIA_CALL, CallDouble

from gateway.call import events
from gateway.ops.billing.bills import Bill
from gateway.wiring.capacity import open_bill
from gateway.wiring.subscribers import subscribe


@dataclass
class CallWithBill(CallDouble):
    bill: Bill | None = None


def test_an_event_reaches_metrics_and_no_follower_fails(wired: Callable[..., Any]) -> None:
    a = wired()
    subscribe(a.r, a.bounds, a.calls, a.kept, a.outbound, a.recorded)
    agent = next(iter(a.r.book.agents.values()))
    call = CallWithBill(bill=open_bill(MEDIA_CALL, agent))
    a.calls.events.publish(call, events.AudioDropped("buffer_full", 500))
    dropped = a.r.metrics.registry.get_sample_value(
        "gateway_audio_dropped_seconds_total", {"reason": "buffer_full"}
    )
    assert dropped == 0.5
