"""Prometheus' own tools on this repository's rules and dashboards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

from gateway.app import build
from gateway.ops.telemetry.metrics import Metrics
from gateway.settings import load_settings

ROOT = Path(__file__).parent.parent.parent
K8S = ROOT / "k8s"
RULES = K8S / "prometheus" / "rules.yaml"
OF_THE_SCRAPE = {"instance", "job", "pod", "namespace", "le"}
"""Labels that Prometheus itself sets."""
_MACROS = {"$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}


def tool(name: str) -> str:
    """Return the path of a program; a test that needs one fails without it."""
    path = shutil.which(name)
    assert path, f"{name} is not installed: apt-get install prometheus (Debian has both tools)"
    return path


def promtool(*arguments: str | Path, text: str = "") -> None:
    """Run promtool; its complaints are the failure."""
    command = [tool("promtool"), *map(str, arguments)]
    environ = os.environ | {"GOGC": "400"}  # a tenth of its time is looking for what it can free
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, env=environ
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "warn" not in done.stderr.lower(), done.stderr


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def metrics() -> Metrics:
    return build(load_settings({}, simulated=True)).metrics


@cache
def series() -> dict[str, set[str]]:
    """Every name that can be asked for, with its labels: the code's, and the recorded ones."""
    found: dict[str, set[str]] = {}
    for collector, names in metrics().registry._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", ()))
        found |= dict.fromkeys(names, labels)
    for family in metrics().registry.collect():
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    recorded: dict[str, set[str]] = {rule["record"]: set() for rule in rules() if "record" in rule}
    return found | recorded


def values(label: str, name: str) -> set[str]:
    """The values of a label that are series already."""
    samples = (s for family in metrics().registry.collect() for s in family.samples)
    return {s.labels[label] for s in samples if s.name == name and label in s.labels}


def parsed(expression: str) -> Any:
    """A query's tree; Grafana's own variables stand for what they would be."""
    for macro, value in _MACROS.items():
        expression = expression.replace(macro, value)
    return promql.parse(re.sub(r"\$\{?\w+\}?", "x", expression))


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Each metric that a query names, and the labels by which it is selected."""
    found: list[tuple[str, set[str]]] = []
    _walk(parsed(expression), found)
    return found


def _walk(node: Any, found: list[tuple[str, set[str]]]) -> None:
    if isinstance(node, promql.VectorSelector):
        matchers = {m.name for m in node.matchers.matchers}
        found.append((node.name or "", matchers - {"__name__"}))
        return
    for part in ("expr", "lhs", "rhs", "param", "args", "vs", "vector_selector"):
        child = getattr(node, part, None)
        for one in child if isinstance(child, list) else [child]:
            if one is not None and not isinstance(one, str | float):
                _walk(one, found)


def grouped(expression: str) -> set[str]:
    """Labels that a query groups or joins by."""
    clauses = re.findall(r"\b(?:by|without|on|group_left)\s*\(([^)]*)\)", expression)
    return {label.strip() for clause in clauses for label in clause.split(",")} - {""}


def problems(expression: str) -> list[str]:
    """What in a query the code does not know."""
    known, found = series(), selectors(expression)
    wrong = [f"no such series: {name}" for name, _ in found if name not in known]
    labels = set().union(*(known.get(name, set()) for name, _ in found)) | OF_THE_SCRAPE
    for name, used in found:
        unknown = used - known.get(name, set()) - OF_THE_SCRAPE
        wrong += [f"{name} has no label {label}" for label in unknown]
    return wrong + [f"no label {label}" for label in grouped(expression) - labels]
