"""Series as Prometheus gets them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from gateway.ops.telemetry.series import MetricSeries


def test_every_declared_series_exists_and_no_other() -> None:
    series = MetricSeries()
    declared = set(MetricSeries.__annotations__)
    made = {
        name for name, it in vars(series).items() if isinstance(it, Counter | Gauge | Histogram)
    }
    assert made == declared


def test_every_series_has_its_declared_kind() -> None:
    series = MetricSeries()
    for name, kind in MetricSeries.__annotations__.items():
        assert type(getattr(series, name)).__name__ == kind


def test_two_processes_share_no_series() -> None:
    one, other = MetricSeries(), MetricSeries()
    one.store_errors.inc()
    assert other.registry.get_sample_value("gateway_store_errors_total") == 0
