"""A GA OpenAI Realtime server on loopback, as strict as the vendor's.

`python -m gateway.simulator.openai.main --port 8090` prints one JSON line when it
listens. Beside the Realtime path it serves its journal: `GET /journal.json`, and a WebSocket
at `/journal?from=0`.
With `--webhook-url` it takes calls by SIP as well: see `sip/connector.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
from websockets.asyncio.server import Server, serve

from gateway.errors import FileError, GatewayError
from gateway.simulator.audio.tts import voice_named
from gateway.simulator.openai.multiplexer import HttpApp, multiplexer
from gateway.simulator.openai.realtime.journal import Journal
from gateway.simulator.openai.realtime.script import Script, load_script
from gateway.simulator.openai.server import ModelServer
from gateway.simulator.openai.sip.connector import Connector
from gateway.simulator.openai.sip.rest_api import SipRest
from gateway.simulator.openai_project import SIMULATED_PROJECT, SIMULATED_SECRET, SipAccount
from gateway.simulator.shared_tls import shared_context

__all__ = ["ModelServer", "running_model"]

MESSAGE_MAX_BYTES: Final = 21 << 20
"""15 MiB of audio is 20 MiB of base64."""
MANY: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=200)


@asynccontextmanager
async def running_model(
    script: Script | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    voice: str = "tone",
    sip: SipAccount | None = None,
) -> AsyncIterator[ModelServer]:
    """Run a server in this process; port 0 is a free one. Without an account there is no SIP."""
    journal = Journal(time.time)
    model = ModelServer(script or Script(), voice_named(voice), journal)
    async with httpx2.AsyncClient(verify=shared_context(), trust_env=False, limits=MANY) as client:
        if sip:
            model.sip = Connector(sip, model.script, journal, client, model.new_session)
        async with _listening(model, HttpApp(SipRest(model.sip).app()), host, port):
            yield model


@asynccontextmanager
async def _listening(
    model: ModelServer, http: HttpApp, host: str, port: int
) -> AsyncIterator[None]:
    server: Server = await serve(
        model.serve,
        host,
        port,
        process_request=model.answer,
        create_connection=multiplexer(http),
        compression=None,
        max_size=MESSAGE_MAX_BYTES,
        server_header=None,
    )
    bound_port = next(iter(server.sockets)).getsockname()[1]
    model.url = f"http://{host}:{bound_port}"
    try:
        yield
    finally:
        model.stop_waiting()
        if model.sip:
            model.sip.close()
        http.shut_down()
        server.close()
        await server.wait_closed()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where it is installed: a load test needs the CPU for its calls."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _main(options: argparse.Namespace) -> None:
    script = load_script(options.script) if options.script else Script()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stopped.set)
    async with running_model(
        script, host=options.host, port=options.port, voice=options.voice, sip=_account(options)
    ) as model:
        ready = json.dumps({"listening": model.url, "pid": os.getpid()})
        sys.stdout.write(f"{ready}\n")
        sys.stdout.flush()
        await stopped.wait()


def _account(options: argparse.Namespace) -> SipAccount | None:
    if not options.webhook_url:
        return None
    secrets = tuple(part.strip() for part in options.webhook_secret.split(",") if part.strip())
    return SipAccount(options.project, options.webhook_url, secrets or (SIMULATED_SECRET,))


def main(arguments: list[str] | None = None) -> int:
    """Run the server. Return 64 for wrong usage and 69 for what cannot be reached."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.simulator.openai.main", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--voice", choices=("on", "tone"), default="on")
    parser.add_argument("--webhook-url", help="announces SIP calls there; without it, no SIP")
    parser.add_argument("--webhook-secret", default="", help="whsec_...; several while rotated")
    parser.add_argument("--project", default=SIMULATED_PROJECT, help="the user of the SIP address")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_main(parser.parse_args(arguments)))
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 64 if isinstance(error, FileError) else 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
