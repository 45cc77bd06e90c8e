"""Declared series: what each instance gets, and what the class itself has."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.ops.telemetry.series_declaration import counter, gauge, histogram, make_series


class Station:
    """Three series, and an attribute that is none."""

    trains = counter("trains", "Trains that left.", "line")
    waiting = gauge("waiting", "People on the platform.")
    delay = histogram("delay_seconds", "How late trains were.", "line", buckets=(1.0, 60.0))
    platforms = 2

    def __init__(self, registry: CollectorRegistry) -> None:
        make_series(self, Station, registry)


def test_an_instance_has_each_declared_series_of_its_kind() -> None:
    station = Station(CollectorRegistry())
    kinds = {name: type(series) for name, series in vars(station).items()}
    assert kinds == {"trains": Counter, "waiting": Gauge, "delay": Histogram}


def test_names_labels_and_buckets_are_as_declared() -> None:
    registry = CollectorRegistry()
    station = Station(registry)
    station.trains.labels("north").inc()
    station.waiting.set(7)
    station.delay.labels(line="north").observe(30)
    assert registry.get_sample_value("gateway_trains_total", {"line": "north"}) == 1
    assert registry.get_sample_value("gateway_waiting") == 7
    seen = {
        bound: registry.get_sample_value(
            "gateway_delay_seconds_bucket", {"line": "north", "le": bound}
        )
        for bound in ("1.0", "60.0", "+Inf")
    }
    assert seen == {"1.0": 0, "60.0": 1, "+Inf": 1}
    # The creation time of each series would be a series more.
    assert registry.get_sample_value("gateway_trains_created", {"line": "north"}) is None


def test_a_registry_takes_each_series_once() -> None:
    registry = CollectorRegistry()
    Station(registry)
    with pytest.raises(ValueError, match="gateway_trains"):
        Station(registry)


def test_the_class_itself_has_no_series() -> None:
    with pytest.raises(AttributeError, match="made by make_series"):
        _ = Station.trains
