"""The probe of the event loop: ten times a second, and not once after its end."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from skipped_time import now_s, skipping

from gateway.ops.telemetry.loop_lag import LoopLag, watch_loop


def test_the_loop_is_looked_at_ten_times_a_second_until_it_is_cancelled() -> None:
    seen: list[tuple[float, float]] = []

    async def watch() -> None:
        watching = asyncio.create_task(watch_loop(lambda lag_s: seen.append((now_s(), lag_s))))
        await asyncio.sleep(1.05)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        await asyncio.sleep(1.0)

    skipping(watch())
    assert [at for at, _ in seen] == pytest.approx([0.1 * nth for nth in range(1, 11)])
    # By the clock of the machine none of these was late: they all came too early.
    assert {lag_s for _, lag_s in seen} == {0.0}


def test_what_was_seen_is_a_histogram_of_prometheus() -> None:
    registry, lag = CollectorRegistry(), LoopLag()
    registry.register(lag)
    for seconds in (0.0005, 0.004, 3.0):
        lag.observe(seconds)
    name = "gateway_event_loop_lag_seconds"
    found = {
        le: registry.get_sample_value(f"{name}_bucket", {"le": le})
        for le in ("0.001", "0.005", "1.0", "+Inf")
    }
    assert found == {"0.001": 1, "0.005": 2, "1.0": 2, "+Inf": 3}
    assert registry.get_sample_value(f"{name}_sum") == pytest.approx(3.0045)


def test_an_error_of_whoever_is_told_ends_the_watch() -> None:
    told: list[float] = []

    def fails(lag_s: float) -> None:
        told.append(lag_s)
        raise ZeroDivisionError

    async def watch() -> None:
        with pytest.raises(ZeroDivisionError):
            await watch_loop(fails)
        await asyncio.sleep(1.0)

    skipping(watch())
    assert len(told) == 1
