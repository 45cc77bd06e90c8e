"""`gateway simulate`: a rehearsal against a running gateway, or one started for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.errors import FileError, GatewayError, ServiceUnreachable
from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator import gauges, report, show
from gateway.simulator.overhear import overhearing
from gateway.simulator.record import CallRecord
from gateway.simulator.run import REST_PORT, Carrier, carrier, rehearse, rehearse_many
from gateway.simulator.scenario import Scenario, find, load
from gateway.simulator.stack import Plan, free_port, spawned
from gateway.simulator.webhooks import Account, Reach

EXIT_NOT_AS_EXPECTED = 1
EXIT_USAGE = 64
EXIT_UNREACHABLE = 69


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

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
    model: Annotated[str, typer.Option(help="The simulated model, to overhear its words.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for sound, picture and JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Rehearse calls written as YAML; the exit status tells whether they went as expected."""
    console = Console(stderr=as_json, highlight=False)
    try:
        order = Order(
            load(find(scenario)), _account(), url.rstrip("/"), (public_url or url).rstrip("/"),
            spawn, calls, concurrency or calls, rest_port, model, out,
        )  # fmt: skip
        records = asyncio.run(_run(order, console))
    except FileError as error:
        _leave(console, error, EXIT_USAGE)
    except ServiceUnreachable as error:
        _leave(console, error, EXIT_UNREACHABLE)
    _tell(records, console, as_json)
    if any(record.failures for record in records):
        raise typer.Exit(EXIT_NOT_AS_EXPECTED)


def _leave(console: Console, error: GatewayError, status: int) -> None:
    console.print(str(error), style="red", markup=False)
    raise typer.Exit(status) from error


def _account() -> Account:
    """The account that the gateway believes in; the first token signs."""
    sid = os.environ.get("TWILIO_ACCOUNT_SID") or SIMULATED_ACCOUNT_SID
    tokens = os.environ.get("TWILIO_AUTH_TOKEN") or SIMULATED_AUTH_TOKEN
    return Account(sid, tokens.partition(",")[0].strip())


def _tell(records: list[CallRecord], console: Console, as_json: bool) -> None:
    if as_json:
        result = report.summary(records) | {"records": [one.as_json() for one in records]}
        print(json.dumps(result, ensure_ascii=False))
    else:
        show.result(console, records)


async def _run(order: Order, console: Console) -> list[CallRecord]:
    async with _stage(order) as (twilio, model_url, url):
        before = await gauges.read(twilio.webhooks.client, url)
        if order.calls == 1:
            records = [await _one(order, twilio, model_url, console)]
        else:
            records = await _many(order, twilio, console)
        wanted = order.scenario.expect.metrics
        records[-1].failures += await gauges.failures(twilio.webhooks.client, url, before, wanted)
    if order.out is not None:
        files = report.write(records[0], order.out)
        console.print(f"left: {', '.join(str(file) for file in files)}", style="dim")
    return records


@contextlib.asynccontextmanager
async def _stage(order: Order) -> AsyncIterator[tuple[Carrier, str, str]]:
    """The carrier, and with `--spawn` the gateway and model: with their URLs."""
    if not order.spawn:
        reach = Reach(order.url, order.public_url)
        async with carrier(order.account, reach, rest_port=order.rest_port) as twilio:
            yield twilio, order.model_url, order.url
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with carrier(order.account, Reach(url, url), rest_port=0) as twilio:
        scenario = order.scenario
        plan = Plan(
            order.account, port, twilio.rest_url, order.out or Path("out") / scenario.name,
            scenario.agents, scenario.model,
        )  # fmt: skip
        async with spawned(plan) as stack:
            yield twilio, stack.model_url, url


async def _one(order: Order, twilio: Carrier, model_url: str, console: Console) -> CallRecord:
    live = show.LiveCall(console)
    began_s = time.time()
    async with contextlib.AsyncExitStack() as stack:
        if model_url:
            await stack.enter_async_context(overhearing(model_url, live.overheard))
        record = await rehearse(twilio, order.scenario, watch=live.watch())
    record.words = [entry for entry in live.words if entry.get("t", began_s) >= began_s]
    return record


async def _many(order: Order, twilio: Carrier, console: Console) -> list[CallRecord]:
    with show.bar(console, order.calls) as watch:
        return await rehearse_many(
            twilio, order.scenario, calls=order.calls, concurrency=order.concurrency, watch=watch
        )
