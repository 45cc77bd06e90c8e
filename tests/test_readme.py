"""The README's tables against the code: what stands there is what there is."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest
import yaml
from starlette.routing import Route, WebSocketRoute

from gateway.agents.file.loader import load_agents
from gateway.app import build
from gateway.call.endings import Ending
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics
from gateway.settings import load_settings, variables
from gateway.simulator.scenario.schema import KINDS, Expect, load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_setting_is_described() -> None:
    assert [codes(row[0])[0] for row in table("Settings")] == list(variables())


def test_every_url_is_described() -> None:
    gateway = build(load_settings({"GATEWAY_ADMIN_TOKEN": "token"}, simulated=True))
    paths = {r.path for r in gateway.asgi.routes if isinstance(r, Route | WebSocketRoute)}
    assert {codes(row[0])[0] for row in table("URLs")} == paths


def test_every_ending_is_described() -> None:
    assert [codes(row[0])[0] for row in table("How a call ends")] == [e.value for e in Ending]


def test_every_series_is_described_with_its_labels() -> None:
    described = {codes(row[0])[0]: row[1] for row in table("Metrics")}
    metrics = Metrics(AddedLatency())
    found = {}
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        samples = [s for s in family.samples if not s.name.endswith("_created")]
        labels = set().union(*(s.labels for s in samples)) - {"le"} if samples else None
        found[name] = labels
    assert found.keys() == described.keys()
    for name, labels in found.items():
        if labels:
            assert set(filter(None, described[name].split(", "))) == labels, name


def test_the_chapters_are_listed_in_their_order_and_can_be_gone_to() -> None:
    listed = re.findall(
        r"\[([^]]+)\]\(#([\w-]+)\)", README.split("**Chapters**: ", 1)[1].split("\n")[0]
    )
    assert [title for title, _ in listed] == re.findall(r"^## (.+)$", README, re.MULTILINE)
    for title, anchor in listed:
        assert anchor == re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


AGENTS = re.findall(r"```yaml\n(agents:\n.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("text", AGENTS, ids=lambda text: text.split()[1].rstrip(":"))
def test_every_agent_can_be_copied(text: str, tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    name = next(iter(yaml.safe_load(text)["agents"]))
    file.write_text(text)
    assert name in load_agents(file).agents


SCENARIOS = re.findall(r"```yaml\n(name:.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("text", SCENARIOS, ids=lambda text: text.split()[1])
def test_every_scenario_can_be_copied(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    agents = tmp_path / "agents.yaml"
    agents.write_text(yaml.safe_dump(load(file).agents))
    assert load_agents(agents).agents


def first_cells(heading: str) -> set[str]:
    """Of the table whose first column is named so."""
    lines = README.split(f"\n| {heading} |", 1)[1].splitlines()[2:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return {name for row in rows for name in codes(row.split(" | ")[0])}


def test_every_step_of_a_scenario_is_described_and_no_expectation_is_made_up() -> None:
    assert first_cells("step") == set(KINDS)
    assert len(described := first_cells("`expect`")) > 20
    assert described <= Expect.model_fields.keys()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:gateway|twiml)/[\w/.]*)`", README))))
def test_every_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make (\w+)`", README))))
def test_every_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
