"""The tables of `docs/` against the code: what stands there is what there is."""

from __future__ import annotations

import ast
import re
import runpy
from functools import cache
from itertools import product, takewhile
from pathlib import Path

import pytest
import yaml
from call.play import Book
from starlette.routing import Route, WebSocketRoute

from gateway.agents.config.agent import Agent
from gateway.agents.config.mcp import McpServer
from gateway.agents.config.outbound import Outbound
from gateway.agents.config.tool_names import BUILT_IN_TOOLS
from gateway.agents.config.tool_options import FunctionTool
from gateway.agents.config.transfers import Fallback, KeypadTransfer, TransferDestination
from gateway.agents.file.loader import load_agents
from gateway.app import build
from gateway.bridge.inbound.sip_inbound import STATUS
from gateway.call.endings import Ending
from gateway.call.part import overriding
from gateway.call.state_machines import CallPhase, LinkState, step_link, step_phase
from gateway.cli.commands import COMMANDS
from gateway.errors import BugError
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics
from gateway.settings import load_settings, variables
from gateway.simulator.scenario.expect import Expect
from gateway.simulator.scenario.files import load, shipped
from gateway.simulator.scenario.parties import CallerSpec, PersonSpec
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.scenario.steps import KINDS
from gateway.web.api.openapi import OPERATIONS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    lines = (DOCS / page).read_text("utf-8").split(f"\n| {heading} |", 1)[1].splitlines()[2:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def first_cells(page: str, heading: str) -> list[str]:
    """Every name in the first column of that table."""
    return [name for row in table(page, heading) for name in codes(row[0])]


# --- Tables of what the gateway has ---


def test_every_setting_is_described() -> None:
    assert first_cells("reference/settings.md", "name") == list(variables())


def test_every_url_is_described() -> None:
    gateway = build(load_settings({"GATEWAY_ADMIN_TOKEN": "token"}, simulated=True))
    paths = {r.path for r in gateway.asgi.routes if isinstance(r, Route | WebSocketRoute)}
    assert set(first_cells("reference/urls.md", "method, path")) == paths


def test_every_operation_of_the_api_is_described() -> None:
    described = [tuple(name.split()) for name in first_cells("reference/api.md", "operation")]
    assert sorted(described) == sorted((one.method, one.path) for one in OPERATIONS)


def test_every_ending_is_described() -> None:
    assert first_cells("reference/endings.md", "ending") == [e.value for e in Ending]


def test_every_series_is_described_with_its_labels() -> None:
    described = {codes(row[0])[0]: row[1] for row in table("reference/metrics.md", "series")}
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


def test_every_reason_to_decline_a_sip_call_is_described() -> None:
    described = {
        reason: int(row[0]) for row in table("guide/sip.md", "status") for reason in codes(row[1])
    }
    assert described == STATUS


LOG_TABLES = (
    "event",
    "event of a warm transfer",
    "event of a SIP call",
    "event of a request",
    "event of the process",
)


LEVELS = ("debug", "info", "warning", "error", "exception")


@cache
def logged() -> dict[str, set[str]]:
    """Names of the log events of the product with the methods of `log` that write them."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "gateway").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and call.args and (levels := levels_of(call.func)):
                for name in names(call.args[0]):
                    found.setdefault(name, set()).update(levels)
    return found


def levels_of(method: ast.expr) -> set[str]:
    """The level of a method of `log`, or both of a choice."""
    if isinstance(method, ast.IfExp):
        return levels_of(method.body) | levels_of(method.orelse)
    if isinstance(method, ast.Attribute) and method.attr in LEVELS:
        return {method.attr} if re.search(r"\blog$", ast.unparse(method.value)) else set()
    return set()


def names(first: ast.expr) -> list[str]:
    """The constant, or both of a choice; of a call event it is the name of its class."""
    if isinstance(first, ast.IfExp):
        return [*names(first.body), *names(first.orelse)]
    return [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []


def test_every_log_event_is_described_with_its_level() -> None:
    """All but those of level debug, and only once."""
    described = {
        event: row[1]
        for heading in LOG_TABLES
        for row in table("reference/metrics.md", heading)
        for event in codes(row[0])
    }
    events = {name: levels for name, levels in logged().items() if levels != {"debug"}}
    assert described.keys() == events.keys()
    for name, levels in events.items():
        for level in levels:
            assert level.replace("exception", "error") in described[name], name


def test_every_log_event_can_be_searched_for() -> None:
    """A name in snake_case, which no number or wording changes."""
    assert [name for name in logged() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_every_command_is_described() -> None:
    described = {name.split()[1] for name in first_cells("reference/commands.md", "command")}
    assert described == COMMANDS.keys()


def test_every_gate_of_the_checks_is_described() -> None:
    gates = runpy.run_path(str(ROOT / "tests/form/gates.py"), run_name="gates")["GATES"]
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("\n| gate |", 1)[1]
    described = re.findall(r"^\| `(\w+)` \|", page.split("\n\n", 1)[0], re.MULTILINE)
    assert described == [gate.__name__ for gate in gates]


# --- Keys of files that operators write ---


def test_every_key_of_an_agent_is_described() -> None:
    described = {name.split(".")[0] for name in first_cells("reference/agents-file.md", "key")}
    assert described == Agent.model_fields.keys() - {"name"}  # the key under `agents:`


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("key of a function", FunctionTool),
        ("key of an MCP server", McpServer),
        ("key of a transfer", TransferDestination),
        ("key of `outbound`", Outbound),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_every_key_below_an_agent_is_described(heading: str, model: type[Agent]) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert set(first_cells("reference/agents-file.md", heading)) == keys


def test_every_key_of_the_keypad_and_the_fallback_is_described() -> None:
    assert set(first_cells("guide/keypad.md", "key")) == KeypadTransfer.model_fields.keys()
    fallback = next(r for r in table("guide/failover.md", "key") if r[0] == "`fallback`")
    assert all(name in fallback[1] for name in Fallback.model_fields)


def test_every_built_in_tool_is_described() -> None:
    assert set(first_cells("guide/tools.md", "built-in tool")) == BUILT_IN_TOOLS


def test_every_step_of_a_scenario_is_described_and_no_expectation_is_made_up() -> None:
    assert set(first_cells("reference/scenarios.md", "step")) == set(KINDS)
    assert set(first_cells("reference/scenarios.md", "expectation")) == Expect.model_fields.keys()


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("key of a scenario", Scenario),
        ("key of `call`", CallerSpec),
        ("key of a person", PersonSpec),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_every_key_of_a_scenario_is_described(heading: str, model: type[Scenario]) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert set(first_cells("reference/scenarios.md", heading)) == keys


def test_every_shipped_scenario_is_described() -> None:
    assert set(first_cells("guide/simulate.md", "scenario")) == set(shipped())


def test_every_document_of_twiml_is_described() -> None:
    described = set(first_cells("reference/twiml.md", "document"))
    assert described == {file.name for file in (ROOT / "twiml").glob("*.xml")}


# --- Diagrams, and orders ---


def steps(first: str) -> set[tuple[str, str]]:
    """The arrows of the state diagram that begins in this state."""
    text = (DOCS / "architecture.md").read_text("utf-8")
    diagram = text.split(f"    [*] --> {first}\n", 1)[1].split("```", 1)[0]
    return set(re.findall(r"^ +(\w+) --> (\w+)$", diagram, re.MULTILINE))


def test_the_diagrams_of_states_are_those_of_the_code() -> None:
    for kind, step in ((CallPhase, step_phase), (LinkState, step_link)):
        allowed = set()
        for now, to in product(kind, kind):
            try:
                step(now, to)
            except BugError:
                continue
            allowed.add((now.value, to.value))
        assert steps(next(iter(kind)).value) == allowed


def test_the_order_of_settling_is_that_of_the_machine() -> None:
    """Of the media path; parts that settle nothing are named below the table, in order."""
    rows = table("architecture.md", "#")
    parts = Book().call.parts
    settling = overriding(parts, "settle")
    assert [row[0] for row in rows] == [str(number) for number, _ in enumerate(rows, 1)]
    assert [codes(row[1]) for row in rows] == [[type(part).__name__] for part in settling]
    page = (DOCS / "architecture.md").read_text("utf-8")
    others = re.search(r"^The other parts in the tuple \(([^)]*)\)", page, re.MULTILINE)
    assert others is not None
    assert codes(others[1]) == [type(part).__name__ for part in parts if part not in settling]


def test_the_console_marks_the_waits_that_the_objectives_name() -> None:
    objectives = runpy.run_path(str(ROOT / "k8s/generate/objectives.py"))
    goal_s, promise_s = objectives["WAIT_GOAL_S"], objectives["WAIT_PROMISE_S"]
    page = ROOT / "gateway/web/browser/page"
    script = (page / "console.js").read_text("utf-8")
    assert f"GOAL_MS = {1000 * goal_s:.0f}, SLOW_MS = {1000 * promise_s:.0f};" in script
    assert f"goal, {goal_s:g} s<" in (page / "console.html").read_text("utf-8")
    latency = (DOCS / "operations/latency.md").read_text("utf-8")
    share = 1 - objectives["SLOW_TURNS_MAX"]
    assert f"goal is {goal_s:g} s" in latency
    assert f"{share:.0%}".replace("%", " %") + f" of turns within {promise_s:g} s" in latency


# --- What can be copied ---

AGENTS = re.findall(r"```yaml\n(agents:\n.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", AGENTS, ids=lambda text: text.split()[1].rstrip(":"))
def test_every_agent_can_be_copied(text: str, tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    name = next(iter(yaml.safe_load(text)["agents"]))
    file.write_text(text)
    assert name in load_agents(file).agents


SCENARIOS = re.findall(r"```yaml\n(name:.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", SCENARIOS, ids=lambda text: text.split()[1])
def test_every_scenario_can_be_copied(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    agents = tmp_path / "agents.yaml"
    agents.write_text(yaml.safe_dump(load(file).agents))
    assert load_agents(agents).agents


def test_there_is_something_to_copy() -> None:
    assert len(AGENTS) > 10
    assert SCENARIOS


@pytest.mark.parametrize("name", sorted(set(re.findall(r"--scenario ([a-z][\w-]*)", TEXT))))
def test_every_scenario_that_is_named_exists(name: str) -> None:
    assert name in shipped()
