"""Dashboards ask for what there is, in units that are its own, and say what one sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_tools import K8S, parsed, problems, promtool, values
from structlog.testing import capture_logs

from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.events import CallEnded
from gateway.ops.telemetry.logs import CallLog

pytestmark = pytest.mark.needs("promtool")

FILES = sorted((K8S / "dashboards").glob("*.json"))
ALL = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES}
CALL = ALL["call"]
"""Of the log, since a call is no label."""
BOARDS = {name: board for name, board in ALL.items() if board is not CALL}
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


def test_there_are_the_five_of_them() -> None:
    assert set(ALL) == {"callers", "agent", "call", "capacity", "sip"}
    assert len({board["uid"] for board in ALL.values()}) == 5


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
    waits = [
        p
        for p in PANELS.values()
        if "quantile(0.95, sum by (le) (rate(gateway_response" in p["targets"][0]["expr"]
        or p["title"] == "The caller's wait in a turn"
    ]
    assert len(waits) >= 6
    for panel in waits:
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert [step["value"] for step in steps] == [None, 1.2, 2.0]
    assert {"1.2", "2.0"} <= set(values("le", "gateway_response_seconds_bucket"))


def test_the_first_screen_answers_whether_callers_wait() -> None:
    first = BOARDS["callers"]["panels"][0]
    assert first["title"] == "Are callers waiting?"
    assert first["gridPos"]["y"] == 0
    above = [p for p in BOARDS["callers"]["panels"] if p["gridPos"]["y"] < 15]
    assert sum("gateway_response_seconds" in json.dumps(p) for p in above) >= 3


@pytest.mark.parametrize("name", ALL)
def test_panels_do_not_lie_on_each_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in ALL[name]["panels"]:
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


# --- One call, by the log ---


def ended_line() -> dict[str, Any]:
    facts = CallInfo("CA" + "0" * 32, "+15550100", "+15550101", "reception", "media-streams")
    note = CallEnded(
        Ending.CALLER_HUNG_UP,
        "",
        arrived=True,
        seconds=60.0,
        waits_s=(0.5, 0.7),
        barge_ins=1,
        tools=2,
        tokens=300,
    )
    with capture_logs() as lines:
        CallLog().on_event(facts, note, Decimal("0.01"))
    return dict(lines[0])


def test_one_call_is_found_by_what_its_last_line_says() -> None:
    line = ended_line()
    assert line["event"] == "ended"
    queries = [target["expr"] for panel in panels(CALL) for target in panel["targets"]]
    assert all("|= `$call`" in query for query in queries)
    unwrapped = {found for query in queries for found in re.findall(r"unwrap (\w+)", query)}
    assert len(unwrapped) == 6
    assert all(isinstance(line[field], int | float) for field in unwrapped)
    formatted = {found for query in queries for found in re.findall(r"{{\.(\w+)}}", query)}
    assert formatted <= line.keys()


def test_the_waits_of_one_call_are_shown_against_their_goal() -> None:
    waits = [panel for panel in panels(CALL) if "wait_p" in json.dumps(panel)]
    assert len(waits) == 2
    for panel in waits:
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] == "ms"
        assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 1200, 2000]


def test_what_is_typed_in_is_a_variable_and_every_panel_says_what_one_sees() -> None:
    there = {variable["name"] for variable in CALL["templating"]["list"]}
    assert there == {"logs", "call", "stream"}
    for panel in panels(CALL):
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "loki", "uid": "${logs}"}
