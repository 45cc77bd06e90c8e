"""Series as Prometheus gets them."""

from __future__ import annotations

from prometheus_client import Histogram

from gateway.ops.telemetry.series import MetricSeries


def test_every_series_has_the_gateway_s_name_and_a_help_text() -> None:
    families = list(MetricSeries().registry.collect())
    assert {family.name.partition("_")[0] for family in families} == {"gateway"}
    assert [family.name for family in families if not family.documentation.endswith(".")] == []


def test_two_processes_share_no_series() -> None:
    one, other = MetricSeries(), MetricSeries()
    one.store_errors.inc()
    assert one.registry.get_sample_value("gateway_store_errors_total") == 1
    assert other.registry.get_sample_value("gateway_store_errors_total") == 0


BOUNDS = {
    "wait": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0),
    "stage": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0),
    "setup": (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0),
    "length": (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0),
}


def test_bounds_of_histograms_stay_as_they_are() -> None:
    """Graphs and rules compare this release with the one before, bound by bound."""
    series = MetricSeries()
    for name, bounds in BOUNDS.items():
        kept = getattr(series, name)
        assert isinstance(kept, Histogram)
        found = kept._kwargs["buckets"]  # the library has no other way to ask
        assert tuple(float(bound) for bound in found if bound != float("inf")) == bounds
