"""Dashboards ask for what there is, in units that are its own, and say what one sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_tools import K8S, parsed, problems, promtool

FILES = sorted((K8S / "dashboards").glob("*.json"))
BOARDS = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES}
UNITS = {"s", "percentunit", "short", "currencyUSD", "Bps"}
OF_GRAFANA = 'ALERTS{alertname=~"Gateway.*",alertstate="firing"}'


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def everything() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, board in BOARDS.items():
        for panel in panels(board):
            yield f"{name}: {panel['title']}", panel


PANELS = dict(everything())
QUERIES = {
    f"{name} {target['refId']}": target["expr"]
    for name, panel in PANELS.items()
    for target in panel["targets"]
}


def test_there_are_the_four_of_them() -> None:
    assert set(BOARDS) == {"callers", "agent", "capacity", "sip"}
    assert len({board["uid"] for board in BOARDS.values()}) == 4


@pytest.mark.parametrize("expression", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_is_promql_and_asks_for_what_there_is(expression: str) -> None:
    assert parsed(expression) is not None
    assert problems(expression) == []


def test_prometheus_itself_reads_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{n}", "expr": _plain(text)} for n, text in enumerate(QUERIES.values())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", file)


def _plain(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$__range", "1h")


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_every_panel_says_what_one_sees(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert all(target["legendFormat"] for target in panel["targets"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_units_fit_what_is_asked(panel: dict[str, Any]) -> None:
    text, unit = panel["targets"][0]["expr"], panel["fieldConfig"]["defaults"]["unit"]
    if "gateway_cost_usd_total" in text:
        assert unit == "currencyUSD"
    elif "histogram_quantile" in text:
        assert unit == "s"


def test_the_wait_is_always_shown_against_its_goal() -> None:
    waits = [p for p in PANELS.values() if "quantile(0.95, sum by (le) (rate(gateway_response" in
             p["targets"][0]["expr"] or p["title"] == "The caller's wait in a turn"]  # fmt: skip
    assert len(waits) >= 6
    for panel in waits:
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert [step["value"] for step in steps] == [None, 0.6, 0.8]


def test_the_first_screen_answers_whether_callers_wait() -> None:
    first = BOARDS["callers"]["panels"][0]
    assert first["title"] == "Are callers waiting?"
    assert first["gridPos"]["y"] == 0
    above = [p for p in BOARDS["callers"]["panels"] if p["gridPos"]["y"] < 15]
    assert sum("gateway_response_seconds" in json.dumps(p) for p in above) >= 3


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_lie_on_each_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("name", BOARDS)
def test_variables_that_are_used_are_there(name: str) -> None:
    board = BOARDS[name]
    there = {variable["name"] for variable in board["templating"]["list"]}
    text = json.dumps(panels(board))
    assert {"agent", "path"} & there == {v for v in ("agent", "path") if f"${v}" in text}
    assert "source" in there
    for variable in board["templating"]["list"][1:]:
        query = variable["query"]["query"]
        assert query.startswith("label_values(")
        metric, label = query.removeprefix("label_values(").rstrip(")").split(", ")
        assert problems(f'{metric}{{{label}="x"}}') == []
    assert board["annotations"]["list"][0]["expr"] == OF_GRAFANA
