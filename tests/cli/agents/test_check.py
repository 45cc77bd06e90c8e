"""The report of `gateway agents check`."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.agents.check import checked
from gateway.ops.billing.price_file import shipped_prices

BAD = """\
agents:
  desk:
    voise: marin
    instructions: Answer.
    lead_ms: 1
routes: [{to: "*", agent: desk}]
"""
ODD = """\
agents:
  desk:
    voice: somebody
    instructions: Answer.
routes: [{to: "*", agent: desk}]
"""


def lines(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "agents.yaml"
    file.write_text(text, "utf-8")
    report = checked(file, shipped_prices())
    return [line.removeprefix(f"{tmp_path}/") for line in report.lines()]


def test_all_errors_are_shown_with_their_lines_and_what_may_be_meant(tmp_path: Path) -> None:
    assert lines(tmp_path, BAD) == [
        "agents.yaml:3: error: agents.desk.voise: is unknown here (did you mean voice?)",
        "agents.yaml:5: error: agents.desk.lead_ms: must be greater than or equal to 200",
        "2 errors, 0 warnings",
    ]


def test_warnings_of_the_loader_and_advice_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = lines(tmp_path, ODD)
    assert [line.split(": ")[:3] for line in found[:2]] == [
        ["agents.yaml:2", "warning", "agents.desk"],
        ["agents.yaml:3", "warning", "agents.desk.voice"],
    ]
    assert found[2].startswith("desk: about 2 tokens of instructions and tools, $0.0000 a minute")
    assert found[3] == "1 agent, 1 route: 0 errors, 2 warnings"
