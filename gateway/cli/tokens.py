"""`gateway tokens`: tokens of operators, made, listed and revoked while a gateway runs."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.operator_client import OperatorClient

tokens = typer.Typer(
    name="tokens",
    no_args_is_help=True,
    help="Tokens of operators. Needs an admin's token in GATEWAY_ADMIN_TOKEN.",
)

_Url = Annotated[str, typer.Option(help="Where the gateway is; else this host at GATEWAY_PORT.")]
_Name = Annotated[str, typer.Argument(help="Who has it, in letters, digits, dots and dashes.")]


class _Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@tokens.command()
def create(
    name: _Name,
    role: Annotated[_Role, typer.Option(help="What it may do.")] = _Role.VIEWER,
    url: _Url = "",
) -> None:
    """Make a token and print it: it is not shown again, and the database has a hash of it."""
    with _client(url) as client:
        made = client.ask("POST", "/api/tokens", json={"name": name, "role": role.value})
    # Alone on standard output, so that it can go straight into a secret store.
    typer.echo(made["token"])
    typer.echo(f"{made['name']} is {made['role']}. This token is not shown again.", err=True)


@tokens.command("list")
def list_tokens(url: _Url = "") -> None:
    """List names and roles of all tokens, and who made them; never a token."""
    with _client(url) as client:
        for one in client.ask("GET", "/api/tokens")["tokens"]:
            source = "environment" if one["source"] == "environment" else _made(one)
            typer.echo(f"{one['name']:<24} {one['role']:<9} {source}")


@tokens.command()
def revoke(name: _Name, url: _Url = "") -> None:
    """Revoke a token that was made: within seconds it opens nothing any more."""
    with _client(url) as client:
        client.ask("DELETE", f"/api/tokens/{quote(name, safe='')}")
    typer.echo(f"{name} is revoked")


def _made(one: dict[str, str]) -> str:
    return f"made {one['made_at'][:19]} by {one['made_by']}"


def _client(url: str) -> OperatorClient:
    return OperatorClient(url or f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '8080')}")
