"""Counters of media frames, summed over running and ended calls when Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.call.line.line_counters import LineCounters
from gateway.call.machine import CallMachine
from gateway.ops.telemetry.fast_histogram import AddedLatency

_PATHS: Final = ("media-streams", "sip")


class MediaCountersCollector(Collector):
    """Collector of counters that change fifty times a second."""

    def __init__(self, added: AddedLatency, machines: Callable[[], Iterable[CallMachine]]) -> None:
        self._added, self._machines = added, machines
        self._ended = MediaCounters()

    def add_ended(self, counters: LineCounters) -> None:
        self._ended.add(counters)

    def collect(self) -> Iterable[Metric]:
        total, buffered_ms, now = self._ended.copy(), 0.0, monotonic()
        active = {(path, state): 0 for path in _PATHS for state in ("expected", "talking")}
        for machine in self._machines():
            state = "talking" if machine.arrived else "expected"
            counters = machine.media_counters(now)
            if counters is not None:
                active["media-streams", state] += 1
                buffered_ms += counters.buffered_ms
                total.add(counters)
            else:
                active["sip", state] += 1
        gauge = GaugeMetricFamily(
            "gateway_calls_active",
            "Calls by state: expected (nobody there yet) or talking.",
            labels=["path", "state"],
        )
        for labels, count in active.items():
            gauge.add_metric(labels, count)
        yield gauge
        yield GaugeMetricFamily(
            "gateway_playback_buffered_seconds",
            "Sound that was sent and not yet played, of all running calls together.",
            buffered_ms / 1000,
        )
        yield _counted("frames", "Media messages from (up) and to (down) callers.", total.frames)
        yield _counted("media_bytes", "Bytes of mu-law in them.", total.bytes)
        yield _counted(
            "saturated_samples", "Samples clipped in resampling: too loud.", total.saturated
        )
        gaps = CounterMetricFamily(
            "gateway_caller_gap_seconds", "Presentation time of callers that no frame covered."
        )
        gaps.add_metric([], total.gap_ms / 1000)
        yield gaps
        yield self._latency()

    def _latency(self) -> Metric:
        family = HistogramMetricFamily(
            "gateway_added_seconds",
            "What the gateway adds between reading a message with sound and having sent it on.",
            labels=["direction"],
        )
        for direction, histogram in (("up", self._added.up), ("down", self._added.down)):
            family.add_metric([direction], histogram.cumulative(), histogram.sum_s)
        return family


class MediaCounters:
    def __init__(self) -> None:
        self.frames = [0, 0]
        self.bytes = [0, 0]
        self.saturated = [0, 0]
        self.gap_ms = 0.0

    def add(self, line: LineCounters) -> None:
        self.frames = [a + b for a, b in zip(self.frames, line.frames, strict=True)]
        self.bytes = [a + b for a, b in zip(self.bytes, line.bytes, strict=True)]
        self.saturated = [a + b for a, b in zip(self.saturated, line.saturated, strict=True)]
        self.gap_ms += line.gap_ms

    def copy(self) -> MediaCounters:
        other = MediaCounters()
        other.frames, other.bytes = list(self.frames), list(self.bytes)
        other.saturated, other.gap_ms = list(self.saturated), self.gap_ms
        return other


def _counted(name: str, text: str, up_down: list[int]) -> Metric:
    family = CounterMetricFamily(f"gateway_{name}", text, labels=["direction"])
    family.add_metric(["up"], up_down[0])
    family.add_metric(["down"], up_down[1])
    return family
