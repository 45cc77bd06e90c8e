"""Options of `gateway agents check`, `schema` and `route`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.agents.file.document import agents_text
from gateway.agents.file.json_schema import encoded
from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.cli.agents.check import checked
from gateway.cli.agents.route import asked_first, described, trace
from gateway.errors import AgentFileError
from gateway.ops.billing.price_file import load_prices, shipped_prices
from gateway.yaml_source import parse

EXIT_ERRORS: Final = 64
EXIT_NOBODY: Final = 1
_AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

agents = typer.Typer(
    name="agents", no_args_is_help=True, help="Check the agents file, and see who answers."
)


@agents.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The agents file; else the one of GATEWAY_AGENTS.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Print all that is wrong in the file (exit 64), and what is probably not meant (exit 0)."""
    prices = os.environ.get("GATEWAY_PRICES")
    report = checked(_file(file), load_prices(Path(prices)) if prices else shipped_prices())
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        for line in report.lines():
            typer.echo(line)
    if report.errors:
        raise typer.Exit(EXIT_ERRORS)


@agents.command()
def schema() -> None:
    """Print the JSON Schema of the agents file, for editors."""
    typer.echo(encoded())


@agents.command()
def route(
    number: Annotated[str, typer.Argument(help="What is dialled: +15550100, or a SIP address.")],
    at: Annotated[
        str | None, typer.Option(help="A time like 2026-12-25T09:00, by the agent's clock.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The agents file; else the one of GATEWAY_AGENTS.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Print who would answer, and why; exit 1 where nobody does."""
    path = _file(file)
    book = load_agents(path)
    found = trace(book, number, at, datetime.now(UTC))
    if as_json:
        result = {
            "dialled": found.dialled,
            "at": found.at.isoformat(),
            "routes": [one.to for one in found.routes],
            "asked": [agent.name for agent in found.agents],
            "answers": found.answers,
            "before": asked_first(found.agents[-1]) if found.agents else None,
        }
        typer.echo(json.dumps(result, indent=1))
    else:
        for line in described(found, parse(agents_text(path), str(path), AgentFileError)):
            typer.echo(line)
    if found.answers is None:
        raise typer.Exit(EXIT_NOBODY)


def _file(given: Path | None) -> Path:
    return given or Path(os.environ.get("GATEWAY_AGENTS") or DEFAULT_AGENTS)
