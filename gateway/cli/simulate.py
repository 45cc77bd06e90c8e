"""`gateway simulate`: a rehearsal against a running gateway, or one that is spawned."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from re import fullmatch
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

import typer
import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from rich.console import Console

from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.agents.routing import AgentBook
from gateway.errors import AgentFileError, ScenarioError, SettingsError
from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator.caller.gateway_process import OURS, ProcessPlan, as_file, free_port, spawned
from gateway.simulator.caller.helper_processes import helping
from gateway.simulator.openai.realtime.script import Script
from gateway.simulator.rehearsal import expectations, live_view, metrics, report, stalls
from gateway.simulator.rehearsal.http_services import (
    PLACEHOLDER,
    HttpServices,
    serving,
    with_addresses,
)
from gateway.simulator.rehearsal.journal_client import following
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.runner import (
    REST_PORT,
    SimulatedCarrier,
    carrier,
    rehearse,
    rehearse_many,
)
from gateway.simulator.scenario.errors import line_of
from gateway.simulator.scenario.files import find, load
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

SIMULATED_MODEL_URL = "http://127.0.0.1:8090"
MEDIA_ONLY = frozenset({"audio", "lead_ms"})
EXIT_NOT_AS_EXPECTED = 1
OF_THE_FILES = ("GATEWAY_TWIML_DIR", "GATEWAY_PRICES")
"""Settings of the environment that a spawned gateway gets, beside GATEWAY_AGENTS."""
OF_THE_ACCOUNT = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")


class CallPath(StrEnum):
    """Path between caller and model."""

    media = "media"
    sip = "sip"
    trunk = "trunk"


@dataclass(frozen=True)
class RehearsalOptions:
    """Options of the command line, checked."""

    file: Path
    scenario: Scenario
    account: Account
    url: str
    public_url: str
    spawn: bool
    calls: int
    concurrency: int
    rest_port: int
    model_url: str
    out: Path | None
    picture: bool

    @property
    def by_sip(self) -> bool:
        return self.scenario.call.path != "media"


def simulate(
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="A YAML file, or the name of a shipped one.")
    ] = "demo",
    url: Annotated[str, typer.Option(help="Address of the gateway.")] = "http://127.0.0.1:8080",
    public_url: Annotated[
        str, typer.Option(help="Address that is signed; --url if not given.")
    ] = "",
    spawn: Annotated[
        bool, typer.Option("--spawn", help="Start a gateway and a simulated model.")
    ] = False,
    calls: Annotated[int, typer.Option(min=1, help="How many calls.")] = 1,
    concurrency: Annotated[int, typer.Option(min=0, help="At a time; 0 for all at once.")] = 0,
    rest_port: Annotated[int, typer.Option(help="Of the simulated Twilio API.")] = REST_PORT,
    model: Annotated[
        str,
        typer.Option(help="Address of the simulated model: its journal, and SIP."),
    ] = SIMULATED_MODEL_URL,
    path: Annotated[
        CallPath | None, typer.Option(help="How calls reach the model; else as the scenario says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for sound, picture and JSON.")] = None,
    picture: Annotated[
        bool, typer.Option(help="Draw the picture in that folder; it takes about a second.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of scenarios, and nothing else.")
    ] = False,
) -> None:
    """Rehearse calls written as YAML; the exit status says whether they went as expected."""
    if schema:
        print(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))
        return
    console = Console(stderr=as_json, highlight=False)
    file = find(scenario)
    options = RehearsalOptions(
        file,
        _on_path(load(file), path),
        _account(),
        _address("--url", url),
        _address("--public-url", public_url or url),
        spawn,
        calls,
        concurrency or calls,
        rest_port,
        _address("--model", model),
        None if out is None else _folder(out),
        picture,
    )
    records, agents = asyncio.run(_run(options, console))
    _print(records, agents, console, as_json)
    if any(record.failures for record in records):
        raise typer.Exit(EXIT_NOT_AS_EXPECTED)


def _on_path(scenario: Scenario, path: CallPath | None) -> Scenario:
    if path is None:
        return scenario
    return scenario.model_copy(
        update={"call": scenario.call.model_copy(update={"path": path.value})}
    )


def _address(option: str, text: str) -> str:
    """Check an address before the call, which would only fail its expectations."""
    if not fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise SettingsError(f"{option} {text} is not an address like http://127.0.0.1:8080.")
    return text.rstrip("/")


def _folder(out: Path) -> Path:
    """Check a folder before the call, whose files would be lost."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise SettingsError(f"--out {out} cannot be written: {error.strerror}.") from None


def _account() -> Account:
    """Return the account of the gateway; the first of several tokens signs."""
    sid = os.environ.get("TWILIO_ACCOUNT_SID") or SIMULATED_ACCOUNT_SID
    tokens = os.environ.get("TWILIO_AUTH_TOKEN") or SIMULATED_AUTH_TOKEN
    return Account(sid, tokens.partition(",")[0].strip())


def _print(
    records: list[RehearsalRecord], agents: dict[str, int], console: Console, as_json: bool
) -> None:
    if as_json:
        result = report.summary(records, agents) | {"records": [r.as_json() for r in records]}
        print(json.dumps(result, ensure_ascii=False))
    else:
        live_view.result(console, records, agents)


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenarios, the script of the model included."""
    kinds: list[tuple[type[BaseModel], Literal["validation"]]] = [
        (Scenario, "validation"),
        (Script, "validation"),
    ]
    references, schema = models_json_schema(kinds, title="Scenario of gateway simulate")
    whole = schema["$defs"].pop("Scenario")
    script = references[(Script, "validation")]
    # A file beside the scenario, or its content.
    whole["properties"]["model"]["anyOf"] = [script, {"type": "string"}, {"type": "null"}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **whole}


async def _run(
    options: RehearsalOptions, console: Console
) -> tuple[list[RehearsalRecord], dict[str, int]]:
    """Play the calls. Return their records, and how many each agent answered."""
    scenario, expect = options.scenario, options.scenario.expect
    if options.spawn and (unused := _unused(scenario)):
        console.print(f"not used by the spawned gateway: {', '.join(unused)}", style="dim")
    if not options.spawn and scenario.spawned_only:
        keys = " and ".join(f"`{key}:`" for key in scenario.spawned_only)
        console.print(
            f"[yellow]without effect on the running gateway {options.url}:[/] {keys} of "
            f"{scenario.name}; --spawn starts a gateway and a model with it"
        )
    services = HttpServices(scenario.services)
    async with _ends(options, services) as (twilio, model_url, url), stalls.watched() as stalled:
        client = twilio.webhooks.client
        before = await metrics.read(client, url)
        if options.calls == 1:
            records = [await _one(options, twilio, model_url, console)]
        else:
            records = await _many(options, twilio, console)
        agents = await metrics.answered_by(client, url, before, len(records))
        records[-1].failures += [
            *await metrics.failures(client, url, before, expect.metrics),
            *services.failures(expect.asked),
            *expectations.paths(records, expect),
            *expectations.agents(agents, expect),
        ]
        for record in records:
            record.stalled_s = stalled.seconds
            record.agent = next(iter(agents)) if len(agents) == 1 else ""
    if options.out is not None:
        files = report.write(records[0], options.out, picture=options.picture)
        console.print(f"written: {', '.join(str(file) for file in files)}", style="dim")
    return records, agents


@contextlib.asynccontextmanager
async def _ends(
    options: RehearsalOptions, services: HttpServices
) -> AsyncIterator[tuple[SimulatedCarrier, str, str]]:
    """Yield the carrier and the addresses of model and gateway, both spawned on demand."""
    if not options.spawn:
        reach = GatewayAddress(options.url, options.public_url)
        async with carrier(options.account, reach, rest_port=options.rest_port) as twilio:
            twilio.reachable.connector_url = options.model_url
            twilio.project = os.environ.get("OPENAI_PROJECT_ID") or twilio.project
            twilio.admin_token = os.environ.get("GATEWAY_ADMIN_TOKEN", "")
            yield twilio, options.model_url, options.url
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    scenario = options.scenario
    out = _folder(options.out or Path("out") / scenario.name)
    async with (
        carrier(options.account, GatewayAddress(url, url), rest_port=0) as twilio,
        serving(services) as services_url,
        helping(scenario.processes, out) as twilio.helpers,
    ):
        addresses = {PLACEHOLDER: services_url, **twilio.helpers.addresses}
        taken = {
            address: addresses[f"${{{name}}}"] for address, name in scenario.stands_for.items()
        }
        written = _content(scenario.agents) if taken else scenario.agents
        agents = with_addresses(written, addresses | taken)
        agents = agents or os.environ.get("GATEWAY_AGENTS") or None
        agents = _by_sip(agents) if options.by_sip else agents
        book = _load(agents, options.file, out)
        twilio.admin_token = secrets.token_urlsafe(16)
        environment = {name: os.environ[name] for name in OF_THE_FILES if os.environ.get(name)}
        environment["GATEWAY_ADMIN_TOKEN"] = twilio.admin_token
        if scenario.at is not None:
            environment["GATEWAY_SIMULATED_TIME"] = start_time(scenario.at, book).isoformat()
        plan = ProcessPlan(
            options.account,
            port,
            twilio.rest_url,
            out,
            agents,
            scenario.model,
            environment | scenario.environment,
        )
        async with spawned(plan) as processes:
            twilio.reachable.connector_url = processes.model_url
            yield twilio, processes.model_url, url


def start_time(at: datetime, book: AgentBook) -> datetime:
    """Return the time with an offset: by default that of the one zone of the agents' hours."""
    if at.tzinfo is not None:
        return at
    hours = [agent.hours for agent in book.agents.values()]
    hours += [to.hours for agent in book.agents.values() for to in agent.transfers.values()]
    zones = {one.zone for one in hours if one is not None}
    return at.replace(tzinfo=ZoneInfo(zones.pop()) if len(zones) == 1 else UTC)


def _unused(scenario: Scenario) -> list[str]:
    """Return the settings of the environment that a spawned gateway does not get."""
    used = {*OF_THE_FILES, *OF_THE_ACCOUNT} | ({"GATEWAY_AGENTS"} if not scenario.agents else set())
    return sorted(name for name in os.environ if name.startswith(OURS) and name not in used)


def _load(agents: str | dict[str, Any] | None, scenario: Path, out: Path) -> AgentBook:
    """Read the agents; an error in agents of a scenario names the line in the scenario."""
    file = as_file(agents, out / "agents.yaml")
    try:
        return load_agents(file or DEFAULT_AGENTS)
    except AgentFileError as error:
        if not isinstance(agents, dict):
            raise
        parts = [int(p) - 1 if p.isdecimal() else p for p in (error.key or "").split(".") if p]
        node = yaml.compose(scenario.read_text("utf-8"), yaml.SafeLoader)
        line = line_of(node, ["agents", *parts])
        key = ".".join(["agents", *filter(None, [error.key])])
        raise ScenarioError(scenario, line, key, error.problem) from None


def _content(agents: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the content of an agents file, in which addresses are to be replaced."""
    if not isinstance(agents, str):
        return agents
    load_agents(Path(agents))  # an error names the line of the file
    return cast("dict[str, Any]", yaml.safe_load(Path(agents).read_text("utf-8")))


def _by_sip(agents: str | dict[str, Any] | None) -> dict[str, Any]:
    """Return the same agents on the SIP path, where no sound passes through the gateway."""
    if not isinstance(agents, dict):
        text = agents or str(DEFAULT_AGENTS)
        if "\n" not in text.strip():
            load_agents(Path(text))  # an error names the line of the operator's own file
            text = Path(text).read_text("utf-8")
        agents = cast("dict[str, Any]", yaml.safe_load(text))
    by_sip = {
        name: {key: value for key, value in agent.items() if key not in MEDIA_ONLY}
        | {"path": "sip"}
        for name, agent in agents["agents"].items()
    }
    return {**agents, "agents": by_sip}


async def _one(
    options: RehearsalOptions, twilio: SimulatedCarrier, model_url: str, console: Console
) -> RehearsalRecord:
    live = live_view.LiveView(console)
    began_s = time.time()
    async with contextlib.AsyncExitStack() as stack:
        if model_url:
            await stack.enter_async_context(following(model_url, live.on_entry))
        record = await rehearse(twilio, options.scenario, watch=live.watch())
    record.words = [entry for entry in live.words if entry.get("t", began_s) >= began_s]
    record.failures += expectations.words(record, options.scenario.expect)
    return record


async def _many(
    options: RehearsalOptions, twilio: SimulatedCarrier, console: Console
) -> list[RehearsalRecord]:
    with live_view.bar(console, options.calls) as watch:
        return await rehearse_many(
            twilio,
            options.scenario,
            calls=options.calls,
            concurrency=options.concurrency,
            watch=watch,
        )
