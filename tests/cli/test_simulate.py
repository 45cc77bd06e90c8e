"""`gateway simulate`: the schema of scenarios, and what has no effect on a running gateway."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft202012Validator
from rehearsal import simulated

from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.cli.simulate import scenario_schema, start_time
from gateway.simulator.scenario.files import find, shipped

SCHEMA = scenario_schema()
HOURS = """
agents:
  day:
    instructions: Answer.
    hours: {zone: Europe/Paris, mon-fri: "09:00-18:00"}
    out_of_hours: night
  night: {instructions: Answer.}
routes: [{to: "*", agent: day}]
"""


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_fit_the_schema(name: str) -> None:
    scenario = yaml.safe_load(find(name).read_text())
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(scenario)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": ["dance"]},
        {"steps": [{"say": "a", "press": "1"}]},
        {"steps": [{"hear": {"who_else": "x"}}]},
        {"steps": ["hang_up"], "model": {"turn": []}},
        {"steps": ["hang_up"], "expect": {"endng": "caller"}},
        {"steps": ["hang_up"], "people": {"+15550100": "asleep"}},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(wrong: dict[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid({"name": "x", **wrong})


def undescribed(schema: Any, path: str = "") -> list[str]:
    """Return the keys of a schema that have no description."""
    if isinstance(schema, list):
        return [name for one in schema for name in undescribed(one, path)]
    if not isinstance(schema, dict):
        return []
    found = []
    for key, value in schema.get("properties", {}).items():
        if not (isinstance(value, dict) and value.get("description")):
            found.append(f"{path}.{key}")
    for key, value in schema.items():
        found += undescribed(value, f"{path}/{key}")
    return found


def test_every_key_of_a_scenario_is_documented() -> None:
    assert undescribed(SCHEMA) == []


def test_a_time_without_an_offset_is_that_of_the_agents_zone(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(HOURS)
    at = datetime.fromisoformat("2026-12-25T09:00")
    assert start_time(at, load_agents(file)).isoformat() == "2026-12-25T09:00:00+01:00"
    assert start_time(at, load_agents(DEFAULT_AGENTS)).isoformat() == "2026-12-25T09:00:00+00:00"
    given = datetime.fromisoformat("2026-12-25T09:00-05:00")
    assert start_time(given, load_agents(file)) == given


async def test_a_running_gateway_does_not_get_the_scenarios_settings() -> None:
    """The carrier's port is taken from nobody: no gateway answers, and that comes last."""
    status, printed = await simulated("--scenario", "digits", "--url", "http://127.0.0.1:9")
    assert status == 69
    first = " ".join(printed.split())
    assert "without effect on the running gateway http://127.0.0.1:9" in first
    assert "`agents:` and `model:` of digits" in first


async def test_the_schema_is_printed() -> None:
    status, printed = await simulated("--schema")
    assert status == 0
    assert json.loads(printed) == json.loads(json.dumps(SCHEMA))
