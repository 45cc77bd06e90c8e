"""Lag of the event loop: every caller hears a blocked loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.limits.process import LAG_PROBE_S
from gateway.ops.telemetry.fast_histogram import FastHistogram

_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class LoopLag(Collector):
    """Histogram of the loop's lag, which is measured ten times a second with or without calls."""

    def __init__(self) -> None:
        self._histogram = FastHistogram(_BUCKETS_S)
        self.observe = self._histogram.observe

    def collect(self) -> Iterable[Metric]:
        """Return the metric, as Prometheus' library asks for it."""
        family = HistogramMetricFamily(
            "gateway_event_loop_lag_seconds", "How late the event loop woke a timer."
        )
        family.add_metric([], self._histogram.cumulative(), self._histogram.sum_s)
        return (family,)


async def watch_loop(observe: Callable[[float], None]) -> None:
    """Run until cancelled; report seconds of lag ten times a second."""
    await _LagProbe(observe).run()


class _LagProbe:
    """A timer that sets itself anew: a task that sleeps costs four times as much."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> None:
        self._set(monotonic())
        try:
            await self._over
        finally:
            self._timer.cancel()

    def _set(self, now: float) -> None:
        self._due_at = now + LAG_PROBE_S
        self._timer = self._loop.call_later(LAG_PROBE_S, self._look)

    def _look(self) -> None:
        now, due_at = monotonic(), self._due_at
        try:
            self._observe(now - due_at if now > due_at else 0.0)
        except Exception as error:
            self._over.set_exception(error)
        else:
            self._set(now)
