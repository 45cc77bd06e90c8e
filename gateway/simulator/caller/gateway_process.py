"""A gateway and a simulated model, spawned as processes for a rehearsal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from gateway.errors import GatewayError, ServiceUnreachable, SettingsError
from gateway.simulator.openai_project import SIMULATED_PROJECT, SIMULATED_SECRET, WEBHOOK_PATH
from gateway.simulator.shared_tls import shared_context
from gateway.simulator.twilio.webhooks import Account

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 5.0
USAGE: Final = 64
"""The gateway's exit code for settings and files that are wrong."""
OURS: Final = ("GATEWAY_", "TWILIO_", "OPENAI_")


@dataclass(frozen=True)
class ProcessPlan:
    """Settings of the processes, and the folder of their logs."""

    account: Account
    gateway_port: int
    rest_url: str
    out: Path
    agents: dict[str, Any] | str | None = None
    script: dict[str, Any] | str | None = None
    environment: Mapping[str, str] | None = None
    project: str = SIMULATED_PROJECT
    webhook_secret: str = SIMULATED_SECRET

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"


@dataclass(frozen=True)
class GatewayProcesses:
    """Addresses of the spawned gateway and model."""

    gateway_url: str
    model_url: str


def free_port() -> int:
    """Return a port on which a server can listen, and which nobody else is given meanwhile.

    It stays bound for as long as this process lives. That keeps it from everybody who looks for a
    free port or connects from one, and not from a server, which sets SO_REUSEADDR.
    """
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(held.getsockname()[1])
        held.detach()
        return port


@contextlib.asynccontextmanager
async def spawned(plan: ProcessPlan) -> AsyncIterator[GatewayProcesses]:
    """Start the model, then the gateway. Raises ServiceUnreachable with the end of a log."""
    plan.out.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        model_url = await _start_model(plan, stack)
        command = [sys.executable, "-m", "gateway.cli.main", "serve"]
        gateway = await stack.enter_async_context(
            _process(command, plan.out / "gateway.log", _environment(plan, model_url))
        )
        await _ready(plan.gateway_url + "/healthz", gateway, plan.out / "gateway.log")
        yield GatewayProcesses(plan.gateway_url, model_url)


async def _start_model(plan: ProcessPlan, stack: contextlib.AsyncExitStack) -> str:
    command = [
        sys.executable,
        "-m",
        "gateway.simulator.openai.main",
        "--port",
        "0",
        "--webhook-url",
        plan.gateway_url + WEBHOOK_PATH,
        "--webhook-secret",
        plan.webhook_secret,
        "--project",
        plan.project,
    ]
    if script := as_file(plan.script, plan.out / "model.yaml"):
        command += ["--script", str(script)]
    log = plan.out / "model.log"
    process = await stack.enter_async_context(
        _process(command, log, foreign_environment(), stdout=asyncio.subprocess.PIPE)
    )
    assert process.stdout is not None  # noqa: S101 - asked for with PIPE
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            line = await process.stdout.readline()
        return str(json.loads(line)["listening"])
    except (TimeoutError, ValueError, KeyError) as error:
        raise ServiceUnreachable(f"The simulated model did not start: {tail(log)}") from error


def _environment(plan: ProcessPlan, model_url: str) -> dict[str, str]:
    environment = foreign_environment() | {
        "GATEWAY_SIMULATED": "1",
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(plan.gateway_port),
        "GATEWAY_PUBLIC_URL": plan.gateway_url,
        "GATEWAY_DATA_DIR": str(plan.out / "data"),
        "GATEWAY_DRAIN_SECONDS": "2",
        "GATEWAY_LOG_FORMAT": "json",
        "OPENAI_BASE_URL": model_url.replace("ws://", "http://").rstrip("/").removesuffix("/v1")
        + "/v1",
        "OPENAI_PROJECT_ID": plan.project,
        "OPENAI_WEBHOOK_SECRET": plan.webhook_secret,
        "TWILIO_ACCOUNT_SID": plan.account.sid,
        "TWILIO_AUTH_TOKEN": plan.account.token,
        "TWILIO_BASE_URL": plan.rest_url,
    }
    if agents := as_file(plan.agents, plan.out / "agents.yaml"):
        environment["GATEWAY_AGENTS"] = str(agents)
    return environment | dict(plan.environment or {})


def foreign_environment() -> dict[str, str]:
    """Return this process's environment without the gateway's and the vendors' settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def as_file(content: dict[str, Any] | str | None, path: Path) -> Path | None:
    """Return a file with the content; one line of text is the path of a file already."""
    if content is None:
        return None
    if isinstance(content, str):
        if "\n" not in content.strip():
            return Path(content)
        path.write_text(content, "utf-8")
    else:
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    return path


@contextlib.asynccontextmanager
async def _process(
    command: list[str], log: Path, environment: dict[str, str], stdout: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout or file,
            stderr=file,
        )
        try:
            yield process
        finally:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    ended = asyncio.create_task(process.wait())
    try:
        async with (
            asyncio.timeout(READY_TIMEOUT_S),
            httpx2.AsyncClient(verify=shared_context(), trust_env=False) as client,
        ):
            while not await _is_ready(client, url):
                if (await asyncio.wait({ended}, timeout=0.05))[0]:
                    raise _not_started(process, log)
    except TimeoutError as error:
        raise ServiceUnreachable(f"The gateway is not ready at {url}: {tail(log)}") from error
    finally:
        ended.cancel()


def _not_started(process: asyncio.subprocess.Process, log: Path) -> GatewayError:
    """Return the error: one about settings or files is repeated as the gateway words it."""
    if process.returncode == USAGE:
        last = log.read_text("utf-8", errors="replace").strip().splitlines()[-1]
        return SettingsError(last.removeprefix("gateway: "))
    return ServiceUnreachable(f"The gateway did not start: {tail(log)}")


async def _is_ready(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx2.TransportError:
        return False


def tail(log: Path) -> str:
    """Return the last lines of a log, for a person."""
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()[-5:]
    return " / ".join(line.removeprefix("gateway: ") for line in lines) or f"{log} is empty"
