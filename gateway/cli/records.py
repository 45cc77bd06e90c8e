"""`gateway records`: what is kept of calls, shown, exported, forgotten and delivered."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, TextIO
from urllib.parse import quote

import typer

from gateway.cli.operator_client import OperatorClient
from gateway.errors import SettingsError

EXIT_LEFT: Final = 1
records = typer.Typer(
    name="records", no_args_is_help=True, help="What is kept of calls. Needs GATEWAY_ADMIN_TOKEN."
)

_Url = Annotated[str, typer.Option(help="Where the gateway is; else this host at GATEWAY_PORT.")]
_Agent = Annotated[str, typer.Option(help="Only calls of this agent.")]
_Path = Annotated[str, typer.Option(help="Only media-streams, sip or browser.")]
_Ending = Annotated[str, typer.Option(help="Only calls that ended so, such as caller_hung_up.")]
_Caller = Annotated[str, typer.Option(help="Only calls of this number, in full.")]
_Since = Annotated[str, typer.Option(help="Only calls that began then or later (RFC 3339).")]
_Until = Annotated[str, typer.Option(help="Only calls that began before (RFC 3339).")]


@records.command("list")
def list_calls(
    agent: _Agent = "",
    path: _Path = "",
    ending: _Ending = "",
    caller: _Caller = "",
    since: _Since = "",
    until: _Until = "",
    most: Annotated[int, typer.Option(help="Largest number of lines.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    url: _Url = "",
) -> None:
    """List calls, newest first: those that run, then those that have ended."""
    query = {
        "agent": agent,
        "path": path,
        "ending": ending,
        "caller": caller,
        "since": since,
        "until": until,
    }
    with _client(url) as client:
        for call in islice(client.pages("/api/calls", "calls", query), most):
            typer.echo(_json(call) if as_json else _line(call))


@records.command()
def show(call: Annotated[str, typer.Argument(help="Its id.")], url: _Url = "") -> None:
    """Print the whole record of one call as JSON."""
    with _client(url) as client:
        typer.echo(_json(client.ask("GET", _of(call)), indent=2))


@records.command()
def export(
    agent: _Agent = "",
    path: _Path = "",
    ending: _Ending = "",
    caller: _Caller = "",
    since: _Since = "",
    until: _Until = "",
    to: Annotated[Path | None, typer.Option(help="A file; else standard output.")] = None,
    url: _Url = "",
) -> None:
    """Write whole records of ended calls, one JSON object a line."""
    query = {
        "state": "ended",
        "agent": agent,
        "path": path,
        "ending": ending,
        "caller": caller,
        "since": since,
        "until": until,
    }
    count = 0
    with _client(url) as client, _output(to) as out:
        for call in client.pages("/api/calls", "calls", query):
            out.write(_json(client.ask("GET", _of(call["id"]))) + "\n")
            count += 1
    if to is not None:
        typer.echo(f"{count} records in {to}")


@records.command()
def forget(
    caller: Annotated[str, typer.Option(help="A number in full, like +14155550123.")],
    url: _Url = "",
) -> None:
    """Delete every trace of a caller and print what is left (exit 1 if anything is)."""
    with _client(url) as client:
        report = client.ask("POST", "/api/forget", json={"caller": caller})
    typer.echo(f"{len(report['calls'])} calls deleted")
    for name, count in report["deleted"].items():
        typer.echo(f"  {name:<12} {count} deleted, {report['left'].get(name, 0)} left")
    if report["left"].get("journal"):
        typer.echo("  the database's journal was being read and still has it: forget again")
    if report["barred"]:
        typer.echo(
            f"  {report['barred']} names barred at least until {report['barred_until'][:10]}: what "
            "any process still has of them is dropped"
        )
    for call in report["running"]:
        typer.echo(
            f"  {call} runs now, and what it leaves is dropped: forget this caller again afterwards"
        )
    if report["running"] or any(report["left"].values()):
        raise typer.Exit(EXIT_LEFT)


@records.command()
def deliveries(
    state: Annotated[str, typer.Option(help="Only pending, parked or delivered ones.")] = "",
    most: Annotated[int, typer.Option(help="Largest number of lines.")] = 50,
    retry: Annotated[str, typer.Option(help="Send the event with this id again, now.")] = "",
    url: _Url = "",
) -> None:
    """List the events of the outbox, newest first, or send one again."""
    with _client(url) as client:
        if retry:
            client.ask("POST", f"/api/deliveries/{quote(retry, safe='')}/retry")
            typer.echo(f"{retry} is sent again")
            return
        for number, one in enumerate(
            client.pages("/api/deliveries", "deliveries", {"state": state})
        ):
            if number >= most:
                break
            typer.echo(_json(one))


@records.command()
def audit(
    who: Annotated[str, typer.Option(help="Only what this operator did.")] = "",
    call: Annotated[str, typer.Option(help="Only what was done to this call.")] = "",
    since: Annotated[str, typer.Option(help="Only what was done then or later (RFC 3339).")] = "",
    until: Annotated[str, typer.Option(help="Only what was done before (RFC 3339).")] = "",
    to: Annotated[Path | None, typer.Option(help="A file; else standard output.")] = None,
    url: _Url = "",
) -> None:
    """Write what operators did, newest first, one JSON object a line. Needs an admin's token."""
    query = {"who": who, "call": call, "since": since, "until": until}
    count = 0
    with _client(url) as client, _output(to) as out:
        for entry in client.pages("/api/audit", "entries", query):
            out.write(_json(entry) + "\n")
            count += 1
    if to is not None:
        typer.echo(f"{count} entries in {to}")


def _client(url: str) -> OperatorClient:
    return OperatorClient(url or f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '8080')}")


def _of(call: str) -> str:
    return f"/api/calls/{quote(call, safe='')}"


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _line(call: dict[str, Any]) -> str:
    ending = call["ending"] or call["state"]
    seconds = f"{call['seconds']:.0f} s" if call["seconds"] is not None else ""
    cost = f"${float(call['cost_usd']):.4f}" if call["cost_usd"] else ""
    return (
        f"{call['began_at'][:19]}  {call['id']}  {call['agent']}  {call['path']}  "
        f"{call['caller']}  {ending}  {seconds}  {cost}"
    ).rstrip()


def _output(to: Path | None) -> AbstractContextManager[TextIO]:
    if to is None:
        return nullcontext(sys.stdout)
    try:
        # People's words: a file that is made here is for whoever asked, and nobody else.
        return open(
            to, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)
        )
    except OSError as error:
        raise SettingsError(f"{to} cannot be written: {error.strerror}.") from error
