"""Grafana dashboards as data: panels in rows, queries by what they ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

Json = dict[str, Any]

PROMETHEUS: Final = {"type": "prometheus", "uid": "${source}"}
LOKI: Final = {"type": "loki", "uid": "${logs}"}
INTERVAL: Final = "$__rate_interval"
RANGE: Final = "$__range"

COLUMNS: Final = 24
"""Width of Grafana's grid."""
SCHEMA_VERSION: Final = 39
_LEGEND: Final = {"displayMode": "table", "placement": "bottom",
                  "calcs": ["mean", "max", "lastNotNull"]}  # fmt: skip
_REFS: Final = "ABCDEFGH"


# --- Queries ---


@dataclass(frozen=True)
class Query:
    """One query of a panel, and the text of its legend."""

    expression: str
    legend: str
    extra: Json = field(default_factory=dict)


def selector(name: str, where: str) -> str:
    """Return a series' name with its label matchers, if there are any."""
    return f"{name}{{{where}}}" if where else name


def total(name: str, by: str = "", where: str = "") -> str:
    """Return the sum of a gauge."""
    return f"{_sum(by)} ({selector(name, where)})" if by else f"sum({selector(name, where)})"


def rate(name: str, by: str = "", where: str = "", over: str = INTERVAL) -> str:
    """Return the rate per second of a counter, summed over all processes."""
    inner = f"rate({selector(name, where)}[{over}])"
    return f"{_sum(by)} ({inner})" if by else f"sum({inner})"


def increase(name: str, by: str = "", where: str = "", over: str = RANGE) -> str:
    """Return by how much a counter grew, summed over all processes."""
    inner = f"increase({selector(name, where)}[{over}])"
    return f"{_sum(by)} ({inner})" if by else f"sum({inner})"


def quantile(q: float, name: str, by: str = "", where: str = "", over: str = INTERVAL) -> str:
    """Return a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    bucket = selector(f"{name}_bucket", where)
    return f"histogram_quantile({q}, sum by ({labels}) (rate({bucket}[{over}])))"


def by_label(expression: str, by: str, legend: str = "") -> Query:
    """Return a query whose legend is its labels, unless another one is given."""
    return Query(expression, legend or ": ".join(f"{{{{{one.strip()}}}}}" for one in by.split(",")))


def per_minute(name: str, by: str, where: str = "", legend: str = "") -> Query:
    """Return what happens in a minute, by these labels."""
    return by_label(f"{rate(name, by, where)} * 60", by, legend)


def per_minute_if_any(name: str, by: str, where: str = "", legend: str = "") -> Query:
    """Return what happens in a minute, without the labels for which nothing does."""
    return by_label(f"{rate(name, by, where)} * 60 > 0", by, legend)


def per_hour(name: str, by: str, where: str = "", legend: str = "") -> Query:
    """Return what happened in an hour, for what is too rare for a rate by the minute."""
    return by_label(f"{increase(name, by, where, '1h')} > 0", by, legend)


def _sum(by: str) -> str:
    return f"sum by ({by})"


# --- Panels ---


@dataclass(frozen=True)
class Steps:
    """Colours by value: the first holds from below, each other one from its value on."""

    first: str = "green"
    others: tuple[tuple[float, str], ...] = ()

    def to_json(self) -> Json:
        steps: list[Json] = [{"color": self.first, "value": None}]
        steps += [{"color": colour, "value": value} for value, colour in self.others]
        return {"mode": "absolute", "steps": steps}


PLAIN: Final = Steps()


def at_most(good: float, tolerable: float) -> Steps:
    """Return the colours of a value that should be small."""
    return Steps("green", ((good, "orange"), (tolerable, "red")))


def at_least(tolerable: float, good: float) -> Steps:
    """Return the colours of a value that should be large."""
    return Steps("red", ((tolerable, "orange"), (good, "green")))


@dataclass(frozen=True)
class Panel:
    """One panel; its place comes from the row in which it stands."""

    kind: str
    title: str
    description: str
    queries: tuple[Query, ...]
    defaults: Json
    options: Json
    source: Json = field(default_factory=lambda: PROMETHEUS)

    def to_json(self, place: Json, number: int) -> Json:
        targets = [
            {"expr": query.expression, "legendFormat": query.legend, "refId": ref,
             "datasource": self.source, **query.extra}
            for ref, query in zip(_REFS, self.queries, strict=False)
        ]  # fmt: skip
        return {
            "type": self.kind, "title": self.title, "description": self.description,
            "datasource": self.source,
            "fieldConfig": {"defaults": self.defaults, "overrides": []},
            "options": self.options, "targets": targets, "gridPos": place, "id": number,
        }  # fmt: skip


def _defaults(unit: str, steps: Steps, colours: str, **more: Any) -> Json:
    return {"unit": unit, "thresholds": steps.to_json(), "color": {"mode": colours}, **more}


def stat(title: str, description: str, query: Query, unit: str = "short",
         steps: Steps = PLAIN) -> Panel:  # fmt: skip
    """Return a panel of one large number."""
    options = {"colorMode": "background", "graphMode": "area",
               "reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "auto"}  # fmt: skip
    defaults = _defaults(unit, steps, "thresholds")
    return Panel("stat", title, description, (query,), defaults, options)


def lines(title: str, description: str, *queries: Query, unit: str = "short",
          steps: Steps = PLAIN, stacked: bool = False) -> Panel:  # fmt: skip
    """Return a panel of lines over time; thresholds are dashed lines."""
    custom = {
        "lineWidth": 1, "fillOpacity": 10, "showPoints": "never",
        "thresholdsStyle": {"mode": "off" if steps is PLAIN else "dashed"},
        "stacking": {"mode": "normal" if stacked else "none"},
    }  # fmt: skip
    defaults = _defaults(unit, steps, "palette-classic", custom=custom, min=0)
    options = {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}
    return Panel("timeseries", title, description, queries, defaults, options)


def heatmap(title: str, description: str, query: Query, unit: str) -> Panel:
    """Return a histogram over time."""
    options = {"calculate": False, "yAxis": {"unit": unit}, "cellGap": 1,
               "color": {"scheme": "Oranges", "mode": "scheme"}}  # fmt: skip
    defaults = _defaults(unit, PLAIN, "palette-classic")
    shown = replace(query, extra={"format": "heatmap"})
    return Panel("heatmap", title, description, (shown,), defaults, options)


def table(title: str, description: str, *queries: Query) -> Panel:
    """Return a table of what is now."""
    now = tuple(replace(q, extra={"format": "table", "instant": True}) for q in queries)
    return Panel("table", title, description, now, _defaults("short", PLAIN, "palette-classic"), {})


def logged(title: str, description: str, query: Query, unit: str = "short",
           steps: Steps = PLAIN) -> Panel:  # fmt: skip
    """Return a panel of one number that stands in the log."""
    panel = stat(title, description, replace(query, extra={"queryType": "instant"}), unit, steps)
    return replace(
        panel, source=LOKI, options={**panel.options, "graphMode": "none"},
        defaults={**panel.defaults, "noValue": "running, or not known"},
    )  # fmt: skip


def log(title: str, description: str, query: Query, order: str) -> Panel:
    """Return a panel of log lines, `Ascending` or `Descending`."""
    options = {"showTime": True, "wrapLogMessage": True, "prettifyLogMessage": False,
               "enableLogDetails": True, "dedupStrategy": "none", "sortOrder": order}  # fmt: skip
    shown = replace(query, extra={"queryType": "range"})
    return Panel("logs", title, description, (shown,), {}, options, LOKI)


# --- Dashboards ---


@dataclass(frozen=True)
class Row:
    """Panels beside each other: of equal width, unless widths are given."""

    height: int
    panels: tuple[Panel, ...]
    widths: tuple[int, ...] = ()


def row(height: int, *panels: Panel, widths: tuple[int, ...] = ()) -> Row:
    """Return a row of panels."""
    return Row(height, panels, widths)


def query_variable(name: str, label: str, query: str, *, several: bool = True) -> Json:
    """Return a variable whose values are those of a label."""
    everything = {"text": "All", "value": "$__all"}
    return {
        "name": name, "label": label, "type": "query", "datasource": PROMETHEUS,
        "query": {"query": query, "refId": "v"}, "refresh": 2, "multi": several,
        "includeAll": several, "allValue": ".*" if several else None,
        "current": everything if several else {}, "sort": 1,
    }  # fmt: skip


def source_variable(name: str, label: str, kind: str) -> Json:
    """Return the variable that chooses a data source."""
    return {"name": name, "label": label, "type": "datasource", "query": kind, "current": {},
            "hide": 0}  # fmt: skip


def text_variable(name: str, label: str, value: str) -> Json:
    """Return a variable that is typed in."""
    return {"name": name, "label": label, "type": "textbox", "query": value,
            "current": {"text": value, "value": value}}  # fmt: skip


_ALERTS: Final = {
    "name": "Alerts", "enable": True, "datasource": PROMETHEUS,
    "expr": 'ALERTS{alertname=~"Gateway.*",alertstate="firing"}',
    "titleFormat": "{{alertname}}", "iconColor": "red",
}  # fmt: skip


@dataclass(frozen=True)
class Dashboard:
    """A whole dashboard: a text among the rows is a heading."""

    name: str
    title: str
    description: str
    variables: Sequence[Json]
    rows: Sequence[Row | str]
    since: str = "now-1h"
    refresh: str = "30s"
    alerts: bool = True

    def to_json(self) -> Json:
        return {
            "uid": f"gateway-{self.name}", "title": self.title, "description": self.description,
            "tags": ["gateway"], "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": True,
            "timezone": "browser", "refresh": self.refresh,
            "time": {"from": self.since, "to": "now"},
            "templating": {"list": list(self.variables)},
            "annotations": {"list": [_ALERTS] if self.alerts else []},
            "links": [{"type": "dashboards", "tags": ["gateway"], "title": "Gateway",
                       "asDropdown": False, "includeVars": True, "keepTime": True}],
            "panels": self._panels(),
        }  # fmt: skip

    def _panels(self) -> list[Json]:
        panels: list[Json] = []
        y = 0
        for entry in self.rows:
            if isinstance(entry, str):
                place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
                panels.append({"type": "row", "title": entry, "collapsed": False, "panels": [],
                               "gridPos": place, "id": len(panels) + 1})  # fmt: skip
                y += 1
                continue
            x = 0
            equal = (COLUMNS // len(entry.panels),) * len(entry.panels)
            for panel, width in zip(entry.panels, entry.widths or equal, strict=True):
                place = {"x": x, "y": y, "w": width, "h": entry.height}
                panels.append(panel.to_json(place, len(panels) + 1))
                x += width
            y += entry.height
        return panels


def encoded(document: Mapping[str, Any]) -> str:
    """Return a dashboard as JSON: one line for each panel, so that a change shows where it is."""
    head = {key: value for key, value in document.items() if key != "panels"}
    panels = ",\n".join(f"  {json.dumps(panel)}" for panel in document["panels"])
    return f'{json.dumps(head, indent=1)[:-2]},\n "panels": [\n{panels}\n ]\n}}\n'
