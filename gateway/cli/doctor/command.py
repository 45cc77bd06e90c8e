"""`gateway doctor`: is everything as a call needs it? Never prints a secret."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final

import httpx2
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from gateway import limits
from gateway.agents.routing import AgentBook
from gateway.cli.doctor import environment, functions, kept, mcp, reachability, store, vendors
from gateway.cli.doctor.check import Check, Finding, fail, run_all
from gateway.errors import SettingsError
from gateway.settings import Settings, load_settings

USAGE, UNREACHABLE = 64, 69
_MARKS: Final = {
    "ok": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "red"),
    "skip": ("–", "dim"),
}

AgentsCheck = Callable[[Settings, AgentBook], Awaitable[Iterable[Finding]]]
AgentsChecks = Sequence[tuple[str, AgentsCheck]]
FOR_AGENTS: Final[AgentsChecks] = (("MCP", mcp.servers), ("functions", functions.addresses))
"""What agents need of the world beside a model: each a name and a check."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every setting, not only what is wrong.")
    ] = False,
) -> None:
    """Check settings, agents, both vendors and the way to this gateway; say how to fix it."""
    local, far = asyncio.run(examine(os.environ))
    if as_json:
        print(json.dumps([one.as_json() for one in [*local, *far]], ensure_ascii=False, indent=2))
    else:
        _tell(Console(highlight=False, soft_wrap=True), [*local, *far], verbose=verbose)
    if any(one.status == "fail" for one in local):
        raise typer.Exit(USAGE)
    if any(one.status == "fail" for one in far):
        raise typer.Exit(UNREACHABLE)


async def examine(
    environ: Mapping[str, str], for_agents: AgentsChecks = FOR_AGENTS
) -> tuple[list[Finding], list[Finding]]:
    """Return the findings about local files, and those about remote services.

    `for_agents` are the checks of what the agents need beside a model, by name.
    """
    try:
        settings = load_settings(environ)
    except SettingsError as error:
        repair = "Correct the environment; see docs/reference/settings.md."
        return [fail("settings", str(error), repair)], []
    book, of_agents = environment.agents_found(settings, environ)
    local = [
        *environment.settings_told(settings, environ),
        *of_agents,
        environment.templates_found(settings),
        environment.webhook_secret_shaped(settings),
        environment.folder_writable(settings),
    ]
    far = await run_all(_abroad(settings, book, for_agents)) if book is not None else []
    secrets = list(_secrets(settings))
    return [_clean(f, secrets) for f in local], [_clean(f, secrets) for f in far]


def _abroad(
    settings: Settings, book: AgentBook, for_agents: AgentsChecks
) -> list[tuple[str, Check]]:
    def with_http(check: Callable[..., Awaitable[list[Finding]]], *more: Any) -> Check:
        async def run() -> list[Finding]:
            async with _client() as http:
                return await check(settings, *more, http)

        return run

    def of_agents(check: AgentsCheck) -> Check:
        return lambda: check(settings, book)

    return [
        ("OpenAI", with_http(vendors.openai, book)),
        ("Twilio", with_http(vendors.twilio, book)),
        ("public URL", with_http(reachability.webhooks)),
        ("media stream", lambda: reachability.media(settings)),
        ("OpenAI's webhook", with_http(reachability.openai_webhook)),
        ("SIP", lambda: vendors.sip(settings)),
        ("Redis", lambda: store.redis(settings)),
        ("database", lambda: kept.database(settings)),
        ("recordings", lambda: kept.recordings(settings, book)),
        ("events", lambda: kept.events(settings)),
        *((name, of_agents(check)) for name, check in for_agents),
    ]


def _client() -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    return httpx2.AsyncClient(timeout=limits.web.REST_TIMEOUT_S, follow_redirects=False)


def _secrets(settings: Settings) -> Iterator[str]:
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr) and one.get_secret_value() != "memory://":
                yield one.get_secret_value()


def _clean(finding: Finding, secrets: Iterable[str]) -> Finding:
    """No check puts a secret into its words; should one ever do, it goes no further."""
    detail, fix = finding.detail, finding.fix
    for secret in secrets:
        detail, fix = detail.replace(secret, "[secret]"), fix.replace(secret, "[secret]")
    return Finding(finding.name, finding.status, detail, fix)


def _tell(console: Console, findings: list[Finding], *, verbose: bool) -> None:
    settings = {name for name in os.environ if name.startswith(("OPENAI_", "TWILIO_", "GATEWAY_"))}
    for one in findings:
        default = one.name.isupper() and one.status == "ok" and one.name not in settings
        if default and not verbose:
            continue
        mark, style = _MARKS[one.status]
        line = Text.assemble((f"{mark} ", style), (one.name, "bold"), "  ", (one.detail, "dim"))
        console.print(line)
        if one.fix:
            console.print(Text(f"    {one.fix}", style))
    crosses = sum(one.status == "fail" for one in findings)
    told = f"{crosses} to fix" if crosses else "All is well"
    console.print(Text(f"{told}.", "red" if crosses else "green"))
