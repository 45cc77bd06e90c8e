"""`gateway agents` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.parser import app_for

FILE = """\
agents: {desk: {instructions: Answer.}}
routes: [{to: "+1555*", agent: desk}]
"""


def typed(*arguments: str) -> Result:
    words = ["agents", *arguments]
    return CliRunner().invoke(app_for(words), words)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agents.yaml"
    path.write_text(FILE, "utf-8")
    return path


def test_a_file_with_warnings_is_well(file: Path) -> None:
    result = typed("check", str(file))
    assert (result.exit_code, "warning" in result.output) == (0, True)
    found = json.loads(typed("check", str(file), "--json").output)
    assert [one["key"] for one in found["warnings"]] == ["agents.desk"]
    assert found["agents"][0]["usd_per_minute"] > 0


def test_a_file_with_errors_is_not(file: Path) -> None:
    file.write_text("agents: {}\nroutes: []\n", "utf-8")
    assert typed("check", str(file)).exit_code == 64


def test_without_a_name_it_is_the_file_of_the_settings(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_AGENTS", str(file))
    assert str(file) in typed("check").output
    monkeypatch.delenv("GATEWAY_AGENTS")
    assert "reception" in typed("check").output


def test_the_schema_is_printed() -> None:
    assert (
        "instructions" in json.loads(typed("schema").output)["definitions"]["Agent"]["properties"]
    )


def test_who_answers_is_printed(file: Path) -> None:
    result = typed("route", "+15550100", "--file", str(file), "--json")
    assert (result.exit_code, json.loads(result.output)["answers"]) == (0, "desk")
    assert json.loads(result.output)["before"] is None
    result = typed("route", "+4930123456", "--file", str(file))
    assert (result.exit_code, "Nobody answers." in result.output) == (1, True)
