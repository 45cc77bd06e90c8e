"""Counters of media frames: of calls that run, and of those that ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from prometheus_client import CollectorRegistry

from gateway.call.line.line_counters import LineCounters
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.media_counters import MediaCountersCollector


@dataclass
class Machine:
    """A call, as far as it is counted; without counters it is on the SIP path."""

    arrived: bool
    counters: LineCounters | None = None

    def media_counters(self, _now: float) -> LineCounters | None:
        return self.counters


ONE = LineCounters((3, 5), (480, 800), (1, 2), 40.0, 250.0)
OTHER = LineCounters((10, 20), (1600, 3200), (0, 7), 1960.0, 750.0)


def samples(machines: list[Machine], *ended: LineCounters) -> Any:
    added = AddedLatency()
    added.up.observe(0.003)
    collector = MediaCountersCollector(added, lambda: cast("Any", machines))
    for counters in ended:
        collector.add_ended(counters)
    registry = CollectorRegistry()
    registry.register(collector)

    def value(name: str, **labels: str) -> float | None:
        found = registry.get_sample_value(f"gateway_{name}", labels)
        # What has ended is not counted twice by whoever asks twice.
        assert found == registry.get_sample_value(f"gateway_{name}", labels)
        return found

    return value


def test_calls_are_counted_by_path_and_state() -> None:
    value = samples([Machine(True, ONE), Machine(False, ONE), Machine(True), Machine(True)])
    assert value("calls_active", path="media-streams", state="talking") == 1
    assert value("calls_active", path="media-streams", state="expected") == 1
    assert value("calls_active", path="sip", state="talking") == 2
    assert value("calls_active", path="sip", state="expected") == 0


def test_frames_of_all_calls_are_added_up_in_each_direction() -> None:
    value = samples([Machine(True, ONE), Machine(True, OTHER)], ONE)
    assert value("frames_total", direction="up") == 16
    assert value("frames_total", direction="down") == 30
    assert value("media_bytes_total", direction="up") == 2560
    assert value("media_bytes_total", direction="down") == 4800
    assert value("saturated_samples_total", direction="up") == 2
    assert value("saturated_samples_total", direction="down") == 11
    assert value("caller_gap_seconds_total") == 2.04
    assert value("playback_buffered_seconds") == 1.0, "of what runs; what ended is played"


def test_added_time_by_direction() -> None:
    value = samples([])
    assert value("added_seconds_count", direction="up") == 1
    assert value("added_seconds_sum", direction="up") == 0.003
    assert value("added_seconds_count", direction="down") == 0
