"""`gateway serve`: answers calls until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import httpx2
import structlog

from gateway import limits
from gateway.app import build
from gateway.cli.drain_server import GatewayServer
from gateway.cli.garbage import freeze, freeze_when_loaded
from gateway.errors import ServiceUnreachable
from gateway.ops.telemetry import logs
from gateway.settings import Settings, load_settings
from gateway.transports.connection_limits import raise_descriptors_max
from gateway.transports.tls import tls_context

SIMULATED_MODEL_PORT: Final = 8090
SIMULATED_TWILIO_URL: Final = "http://127.0.0.1:8089"
_MODEL_START_MAX_S: Final = 30.0
_NOBODY_URL: Final = "http://127.0.0.1:9"
_NOBODY_S: Final = 0.2

log = structlog.get_logger()


def serve_calls(*, simulated: bool) -> None:
    """Serve until a signal; simulated, with stand-ins for OpenAI and Twilio.

    Raises SettingsError, FileError, ServiceUnreachable.
    """
    environ, embed_model = _with_far_ends(os.environ, simulated=simulated)
    settings = load_settings(environ, simulated=simulated)
    logs.set_up(settings.log_format, settings.log_level)
    raise_descriptors_max()
    sys.setswitchinterval(limits.process.THREAD_TURN_S)
    run = _serve(settings, embed_model=embed_model and settings.simulated)
    if sys.platform == "win32":
        asyncio.run(run)
    else:
        import uvloop  # noqa: PLC0415 - not to be had on Windows

        uvloop.run(run)


def _with_far_ends(environ: Mapping[str, str], *, simulated: bool) -> tuple[dict[str, str], bool]:
    """Simulated, nothing leaves this machine unless its address was given on purpose."""
    simulated = simulated or environ.get("GATEWAY_SIMULATED", "").strip().lower() in {
        "1",
        "true",
        "yes",
        "on",
    }
    if not simulated:
        return dict(environ), False
    embed = not environ.get("OPENAI_BASE_URL")
    far = {"TWILIO_BASE_URL": environ.get("TWILIO_BASE_URL") or SIMULATED_TWILIO_URL}
    if embed:
        far["OPENAI_BASE_URL"] = f"http://127.0.0.1:{SIMULATED_MODEL_PORT}/v1"
    return {**environ, **far}, embed


async def _serve(settings: Settings, *, embed_model: bool) -> None:
    async with AsyncExitStack() as stack:
        # The simulated model starts while the gateway is built.
        model = await stack.enter_async_context(_model_process(settings)) if embed_model else None
        gateway = build(settings)
        if settings.simulated:
            log.warning("simulated_vendors")
        await warm_up()
        freeze()
        if model is not None:
            log.info("simulated_model_listening", url=await _address_of(model))
        # The database's packages are loaded on its thread, while calls can come already.
        freezing = asyncio.create_task(
            freeze_when_loaded(gateway.loaded, lambda: gateway.registry.active > 0)
        )
        stack.callback(freezing.cancel)
        await GatewayServer(gateway, settings.host, settings.port, settings.drain_s).serve()


async def warm_up() -> None:
    """A process's first request loads what all others use, for as long as two frames of sound last:
    it is made before there is a call, and to nobody."""
    async with httpx2.AsyncClient(timeout=_NOBODY_S, verify=tls_context()) as client:
        with suppress(httpx2.HTTPError):
            await client.get(_NOBODY_URL)


@asynccontextmanager
async def _model_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.simulator.openai.main",
        "--port",
        str(SIMULATED_MODEL_PORT),
        "--webhook-url",
        f"http://127.0.0.1:{settings.port}/openai/webhook",
        "--webhook-secret",
        settings.openai_webhook_secret[0].get_secret_value(),
        "--project",
        settings.openai_project_id or "",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for the gateway, which drains first
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _address_of(process: asyncio.subprocess.Process) -> str:
    """Return what the process prints when it listens. Raises ServiceUnreachable."""
    try:
        async with asyncio.timeout(_MODEL_START_MAX_S):
            line = await process.stdout.readline() if process.stdout else b""
        return str(json.loads(line)["listening"])
    except (TimeoutError, ValueError, KeyError) as error:
        raise ServiceUnreachable(
            f"The simulated model did not start: is port {SIMULATED_MODEL_PORT} in use?"
        ) from error
