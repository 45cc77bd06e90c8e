"""Alerts on whole days: a healthy one wakes nobody, the same one with a fault does."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from healthy_day import FAULT_FROM, FAULT_TO, HEALTHY, MINUTES, Day, Fault, names_and_labels
from prometheus_tools import OF_THE_SCRAPE, RULES, metrics, promtool, rules, selectors, series

pytestmark = pytest.mark.needs("promtool")

SIZES = {
    # Sixty calls a day; six thousand; sixty thousand.
    "quiet": (0.25, 1),
    "ordinary": (30.0, 2),
    "busy": (330.0, 2),
}
EVERYTHING = Fault(
    model_slower=6,
    playback_slower=5,
    badly=0.3,
    tools_fail=0.6,
    errors=0.1,
    reconnects=0.5,
    broken_streams=0.3,
    late=0.03,
    under_runs=0.03,
    gaps=0.05,
    dearer=6,
    limit_left=0.1,
    signed=False,
)
FAULTY = {
    "GatewayBudgetNearlySpent",
    "GatewayCallerAudioLost",
    "GatewayCallersWait",
    "GatewayCallsEndBadly",
    "GatewayCallsResumed",
    "GatewayCostsTooMuch",
    "GatewayEventLoopLate",
    "GatewayModelConnectionsLost",
    "GatewayModelErrors",
    "GatewayPlaybackUnderruns",
    "GatewayRateLimitNear",
    "GatewaySignaturesRefused",
    "GatewayToolsFail",
    "GatewayWaitAboveGoal",
}


@cache
def bounds(name: str) -> tuple[float, ...]:
    """Return the bounds of a histogram's buckets, of the code."""
    for collector, names in metrics().registry._collector_to_names.items():
        if f"{name}_bucket" in names:
            found = getattr(collector, "_upper_bounds")  # noqa: B009 - not a name that mypy knows
            return tuple(float(bound) for bound in found)
    samples = [s for family in metrics().registry.collect() for s in family.samples]
    edges = [float(s.labels["le"]) for s in samples if s.name == f"{name}_bucket"]
    assert edges, f"no histogram: {name}"
    return tuple(edges)


@cache
def day(size: str, fault: Fault = HEALTHY) -> dict[str, str]:
    peak, pods = SIZES[size]
    return Day(peak, pods, bounds, fault).series()


def fired(since: str) -> str:
    """Return the names of the alerts that fired, as a query whose values are 0."""
    firing = 'ALERTS{alertstate="firing"}'
    return f"count by (alertname) (count_over_time({firing}[{since}])) * 0"


def play(folder: Path, samples: dict[str, str], questions: list[dict[str, Any]]) -> None:
    """Play one day by the rules, and ask."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in samples.items()],
        "promql_expr_test": questions,
    }
    file = folder / "day.yaml"  # JSON is YAML, and written a hundred times as fast
    content = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [test]}
    file.write_text(json.dumps(content))
    promtool("test", "rules", file)


@pytest.mark.parametrize("size", ["quiet", pytest.param("busy", marks=pytest.mark.long)])
def test_a_healthy_day_wakes_nobody(tmp_path: Path, size: str) -> None:
    nothing = {"expr": fired("1d"), "eval_time": f"{MINUTES - 1}m", "exp_samples": []}
    play(tmp_path, day(size), [nothing])


def test_a_bad_afternoon_fires_what_it_should_and_the_hours_before_it_nothing(
    tmp_path: Path,
) -> None:
    names = [{"labels": f'{{alertname="{name}"}}', "value": 0} for name in sorted(FAULTY)]
    before = {"expr": fired("1d"), "eval_time": f"{FAULT_FROM}m", "exp_samples": []}
    after = {"expr": fired("4h"), "eval_time": f"{FAULT_TO}m", "exp_samples": names}
    play(tmp_path, day("ordinary", EVERYTHING), [before, after])


def test_the_day_has_only_series_that_exist() -> None:
    known = series()
    for name, labels in names_and_labels(day("quiet")):
        assert labels - OF_THE_SCRAPE == known[name] - OF_THE_SCRAPE, name


def test_the_day_has_what_the_rules_ask_for() -> None:
    """A rule without its series is quiet on every day."""
    there = {name for name, _ in names_and_labels(day("quiet"))}
    there |= {rule["record"] for rule in rules() if "record" in rule}
    there |= {"gateway_unpriced_total"}  # a healthy day has no such series
    asked = {name for rule in rules() for name, _ in selectors(rule["expr"])}
    assert asked - there == set()
