"""`gateway simulate`: a rehearsal against a running gateway, or one started for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from re import fullmatch
from tempfile import TemporaryFile
from typing import Annotated, Any, cast

import typer
import yaml
from rich.console import Console

from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.errors import AgentFileError, ScenarioError, SettingsError
from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator.caller.gateway_process import OURS, ProcessPlan, as_file, free_port, spawned
from gateway.simulator.caller.helper_processes import helping
from gateway.simulator.rehearsal import expectations, live_view, metrics, report, stalls
from gateway.simulator.rehearsal.http_services import PLACEHOLDER, HttpServices, placed, serving
from gateway.simulator.rehearsal.journal_client import overhearing
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.runner import REST_PORT, Carrier, carrier, rehearse, rehearse_many
from gateway.simulator.scenario.errors import line_of
from gateway.simulator.scenario.schema import Scenario, find, load
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

SIMULATED_MODEL_URL = "http://127.0.0.1:8090"
MEDIA_ONLY = frozenset({"audio", "lead_ms"})
EXIT_NOT_AS_EXPECTED = 1
OF_THE_FILES = ("GATEWAY_TWIML_DIR", "GATEWAY_PRICES")
"""Of the environment's settings, with the agents, what a gateway that is started here has too."""
OF_THE_ACCOUNT = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")


class CallPath(StrEnum):
    media = "media"
    sip = "sip"
    trunk = "trunk"


@dataclass(frozen=True)
class RehearsalOptions:
    """What was asked for on the command line."""

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

    @property
    def by_sip(self) -> bool:
        return self.scenario.call.path != "media"


def simulate(
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="A YAML file, or the name of a shipped one.")
    ] = "demo",
    url: Annotated[str, typer.Option(help="Where the gateway is.")] = "http://127.0.0.1:8080",
    public_url: Annotated[
        str, typer.Option(help="What signatures are made over; the same as --url if not given.")
    ] = "",
    spawn: Annotated[
        bool, typer.Option("--spawn", help="Start a gateway and a simulated model for it.")
    ] = False,
    calls: Annotated[int, typer.Option(min=1, help="How many calls.")] = 1,
    concurrency: Annotated[int, typer.Option(min=0, help="At a time; 0 for all at once.")] = 0,
    rest_port: Annotated[int, typer.Option(help="Of the simulated Twilio API.")] = REST_PORT,
    model: Annotated[
        str,
        typer.Option(help="The simulated model: overheard, and reached by SIP."),
    ] = SIMULATED_MODEL_URL,
    path: Annotated[
        CallPath | None, typer.Option(help="How calls get to the model; else as the scenario says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for sound, picture and JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Rehearse calls written as YAML; the exit status tells whether they went as expected."""
    console = Console(stderr=as_json, highlight=False)
    file = find(scenario)
    order = RehearsalOptions(
        file, _on_path(load(file), path), _account(),
        _address("--url", url), _address("--public-url", public_url or url),
        spawn, calls, concurrency or calls, rest_port, _address("--model", model),
        None if out is None else _folder(out),
    )  # fmt: skip
    records = asyncio.run(_run(order, console))
    _tell(records, console, as_json)
    if any(record.failures for record in records):
        raise typer.Exit(EXIT_NOT_AS_EXPECTED)


def _on_path(scenario: Scenario, path: CallPath | None) -> Scenario:
    if path is None:
        return scenario
    return scenario.model_copy(
        update={"call": scenario.call.model_copy(update={"path": path.value})}
    )


def _address(option: str, text: str) -> str:
    """Looked at before the call, which would only find that nothing is as expected."""
    if not fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise SettingsError(f"{option} {text} is no address like http://127.0.0.1:8080.")
    return text.rstrip("/")


def _folder(out: Path) -> Path:
    """The same: what a call has left is not to be lost."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise SettingsError(f"--out {out} cannot be written: {error.strerror}.") from None


def _account() -> Account:
    """The account that the gateway believes in; the first token signs."""
    sid = os.environ.get("TWILIO_ACCOUNT_SID") or SIMULATED_ACCOUNT_SID
    tokens = os.environ.get("TWILIO_AUTH_TOKEN") or SIMULATED_AUTH_TOKEN
    return Account(sid, tokens.partition(",")[0].strip())


def _tell(records: list[RehearsalRecord], console: Console, as_json: bool) -> None:
    if as_json:
        result = report.summary(records) | {"records": [one.as_json() for one in records]}
        print(json.dumps(result, ensure_ascii=False))
    else:
        live_view.result(console, records)


async def _run(order: RehearsalOptions, console: Console) -> list[RehearsalRecord]:
    if order.spawn and (unused := _unused(order.scenario)):
        console.print(f"not for the gateway that is started: {', '.join(unused)}", style="dim")
    expect, services = order.scenario.expect, HttpServices(order.scenario.services)
    async with (
        _stage(order, services) as (twilio, model_url, url),
        stalls.watched() as still,
    ):
        before = await metrics.read(twilio.webhooks.client, url)
        if order.calls == 1:
            records = [await _one(order, twilio, model_url, console)]
        else:
            records = await _many(order, twilio, console)
        grown = await metrics.failures(twilio.webhooks.client, url, before, expect.metrics)
        asked = services.failures(expect.asked)
        for record in records:
            record.stood_still_s = still.seconds
        records[-1].failures += grown + asked + expectations.paths(records, expect)
    if order.out is not None:
        files = report.write(records[0], order.out)
        console.print(f"left: {', '.join(str(file) for file in files)}", style="dim")
    return records


@contextlib.asynccontextmanager
async def _stage(
    order: RehearsalOptions, services: HttpServices
) -> AsyncIterator[tuple[Carrier, str, str]]:
    """The carrier, and with `--spawn` the gateway and model: with their URLs."""
    if not order.spawn:
        reach = GatewayAddress(order.url, order.public_url)
        async with carrier(order.account, reach, rest_port=order.rest_port) as twilio:
            twilio.reachable.connector_url = order.model_url
            twilio.project = os.environ.get("OPENAI_PROJECT_ID") or twilio.project
            twilio.admin_token = os.environ.get("GATEWAY_ADMIN_TOKEN", "")
            yield twilio, order.model_url, order.url
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    scenario = order.scenario
    out = _folder(order.out or Path("out") / scenario.name)
    async with (
        carrier(order.account, GatewayAddress(url, url), rest_port=0) as twilio,
        serving(services) as services_url,
        helping(scenario.processes, out) as twilio.helpers,
    ):
        places = {PLACEHOLDER: services_url, **twilio.helpers.places}
        agents = placed(scenario.agents, places) or os.environ.get("GATEWAY_AGENTS") or None
        agents = _by_sip(agents) if order.by_sip else agents
        _check(agents, order.file, out)
        twilio.admin_token = secrets.token_urlsafe(16)
        files = {name: os.environ[name] for name in OF_THE_FILES if os.environ.get(name)}
        plan = ProcessPlan(
            order.account, port, twilio.rest_url, out, agents, scenario.model,
            files | {"GATEWAY_ADMIN_TOKEN": twilio.admin_token} | scenario.environment,
        )  # fmt: skip
        async with spawned(plan) as stack:
            twilio.reachable.connector_url = stack.model_url
            yield twilio, stack.model_url, url


def _unused(scenario: Scenario) -> list[str]:
    """Settings of the environment that are not the started gateway's: nothing is left unsaid."""
    used = {*OF_THE_FILES, *OF_THE_ACCOUNT} | ({"GATEWAY_AGENTS"} if not scenario.agents else set())
    return sorted(name for name in os.environ if name.startswith(OURS) and name not in used)


def _check(agents: str | dict[str, Any] | None, scenario: Path, out: Path) -> None:
    """Agents that stand in the scenario are wrong there, not in the copy that is made of them."""
    file = as_file(agents, out / "agents.yaml")
    if file is None:
        return
    try:
        load_agents(file)
    except AgentFileError as error:
        if not isinstance(agents, dict):
            raise
        parts = [int(p) - 1 if p.isdecimal() else p for p in (error.key or "").split(".") if p]
        node = yaml.compose(scenario.read_text("utf-8"), yaml.SafeLoader)
        line = line_of(node, ["agents", *parts])
        key = ".".join(["agents", *filter(None, [error.key])])
        raise ScenarioError(scenario, line, key, error.problem) from None


def _by_sip(agents: str | dict[str, Any] | None) -> dict[str, Any]:
    """The same agents on the SIP path, where no sound passes through the gateway."""
    if not isinstance(agents, dict):
        text = agents or str(DEFAULT_AGENTS)
        if "\n" not in text.strip():
            load_agents(Path(text))  # whatever is wrong in it is told with its line
            text = Path(text).read_text("utf-8")
        agents = cast("dict[str, Any]", yaml.safe_load(text))
    by_sip = {
        name: {key: value for key, value in agent.items() if key not in MEDIA_ONLY}
        | {"path": "sip"}
        for name, agent in agents["agents"].items()
    }
    return {**agents, "agents": by_sip}


async def _one(
    order: RehearsalOptions, twilio: Carrier, model_url: str, console: Console
) -> RehearsalRecord:
    live = live_view.LiveView(console)
    began_s = time.time()
    async with contextlib.AsyncExitStack() as stack:
        if model_url:
            await stack.enter_async_context(overhearing(model_url, live.overheard))
        record = await rehearse(twilio, order.scenario, watch=live.watch())
    record.words = [entry for entry in live.words if entry.get("t", began_s) >= began_s]
    record.failures += expectations.words(record, order.scenario.expect)
    return record


async def _many(
    order: RehearsalOptions, twilio: Carrier, console: Console
) -> list[RehearsalRecord]:
    with live_view.bar(console, order.calls) as watch:
        return await rehearse_many(
            twilio, order.scenario, calls=order.calls, concurrency=order.concurrency, watch=watch
        )
