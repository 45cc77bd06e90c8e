"""`gateway call`: have an agent call a person, and show how it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx2
import typer
from rich.console import Console

from gateway.agents.config.outbound import E164
from gateway.agents.config.placeholders import FACT_NAME
from gateway.cli.operator_client import refused
from gateway.errors import ServiceUnreachable, SettingsError

EXIT_NOT_REACHED: Final = 1
_LOOK_S: Final = 0.5
_TIMEOUT_S: Final = 20.0
_WHO: Final = {
    "human": "a person",
    "machine": "a machine",
    "fax": "a fax",
    "unknown": "unknown",
    "screening": "a telephone's assistant",
}
_ENDED: Final = {
    "no_answer": "nobody answered",
    "busy": "busy",
    "canceled": "called off",
    "dial_failed": "the number cannot be reached",
    "machine_answered": "hung up on a machine",
    "message_left": "the message was left",
}


def call(
    number: Annotated[str, typer.Argument(help="Whom to call, like +14155550123.")],
    agent: Annotated[str, typer.Option(help="Which agent calls.")],
    from_: Annotated[
        str, typer.Option("--from", help="One of our numbers; else as the agents file says.")
    ] = "",
    about: Annotated[str, typer.Option(help="What the call is for, told to the agent.")] = "",
    fact: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, for the agent; may be given several times."),
    ] = None,
    url: Annotated[str, typer.Option(help="Where the gateway is.")] = "http://127.0.0.1:8080",
) -> None:
    """Have an agent of a running gateway call a person. Needs GATEWAY_ADMIN_TOKEN."""
    token = os.environ.get("GATEWAY_ADMIN_TOKEN", "")
    if not token:
        raise SettingsError("GATEWAY_ADMIN_TOKEN is not set: it is the gateway's own.")
    for one in (number, from_):
        if one and not E164.fullmatch(one):
            raise SettingsError(f"{one} is not a number like +14155550123.")
    wanted: dict[str, Any] = {"to": number, "agent": agent}
    given = {"from": from_, "about": about, "facts": _facts(fact or [])}
    wanted |= {name: value for name, value in given.items() if value}
    console = Console(highlight=False, soft_wrap=True)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=url.rstrip("/"), headers=headers, timeout=_TIMEOUT_S, trust_env=False
    ) as client:
        path = _dial(client, wanted)
        try:
            record = _follow(client, path, console)
        except KeyboardInterrupt:
            console.print(f"The call goes on; POST {path}/hangup ends it.", markup=False)
            return
    if record["answered_s"] is None and record["arrived_s"] is None:
        raise typer.Exit(EXIT_NOT_REACHED)


def _facts(pairs: list[str]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or name in facts:
            raise SettingsError("--fact is NAME=VALUE, each name once.")
        if not FACT_NAME.fullmatch(name):
            raise SettingsError(
                f"--fact {name}=...: a name is made of letters, digits and _, a letter first."
            )
        facts[name] = value
    return facts


def _dial(client: httpx2.Client, wanted: dict[str, Any]) -> str:
    """Return the address of the call's record. A request that was lost on its way dials once."""
    key = {"Idempotency-Key": uuid4().hex}
    try:
        answer = client.post("/api/calls", json=wanted, headers=key)
    except httpx2.ConnectError:
        raise _unreachable(client) from None
    except httpx2.HTTPError:
        answer = _asked(client, "POST", "/api/calls", json=wanted, headers=key)
    if answer.status_code != 202:
        raise refused(answer)
    return f"/api/calls/{quote(answer.json()['call'], safe='')}"


def _follow(client: httpx2.Client, path: str, console: Console) -> dict[str, Any]:
    """Print what is new until the call is over; return its record."""
    shown: set[str] = set()
    while True:
        answer = _asked(client, "GET", path)
        if answer.status_code != 200:
            raise refused(answer)
        record: dict[str, Any] = answer.json()
        for line in _progress(record):
            if line not in shown:
                shown.add(line)
                console.print(line, markup=False)
        if record["state"] == "ended":
            return record
        time.sleep(_LOOK_S)


def _progress(record: dict[str, Any]) -> Iterator[str]:
    yield f"calling {record['caller']} ({record['id']})"
    for name, what in (("rings_s", "rings"), ("answered_s", "answered")):
        if record[name] is not None:
            yield f"{record[name]:6.1f} s  {what}"
    if record["answered_by"]:
        yield f"          by {_WHO[record['answered_by']]}"
    if record["state"] == "ended":
        how = _ENDED.get(record["ending"], str(record["ending"]).replace("_", " "))
        yield f"ended: {how}" + (f", after {record['seconds']:.0f} s" if record["seconds"] else "")


def _asked(client: httpx2.Client, method: str, path: str, **more: Any) -> httpx2.Response:
    try:
        return client.request(method, path, **more)
    except httpx2.HTTPError:
        raise _unreachable(client) from None


def _unreachable(client: httpx2.Client) -> ServiceUnreachable:
    return ServiceUnreachable(f"The gateway cannot be reached at {client.base_url}: see --url.")
