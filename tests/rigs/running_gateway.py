"""A whole gateway in this process, behind a real port, and what it tells about itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from database_end import put_database
from gateway_calls import TOKEN, Carrier

from gateway import limits
from gateway.app import Gateway, build
from gateway.bridge.calls.live_call import LiveCall
from gateway.call.events import CallEvent, ModelReady
from gateway.cli.drain_server import GatewayServer
from gateway.settings import load_settings
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import DEFAULT_TUNING, Tuning

PUBLIC_URL = "https://gw.example.com"
ACCOUNT = "AC" + "1" * 32
API_KEY = "sk-test-0123456789"
NOWHERE = "http://127.0.0.1:9"
"""A port on which nobody listens."""
PATIENCE_S = 30.0
STORE_MAX_S = 10.0
"""A busy machine is no outage of Redis, after which a process goes on by itself for a second."""
MEDIA_SILENCE_MAX_S = 15.0
"""A test that speaks now and then is no caller whose stream is dead, on a busy machine either."""

AGENTS = """
agents:
  reception:
    greeting: Hello.
    instructions: Answer the telephone.
    tools: [end_call]
  quiet:
    instructions: Wait until you are spoken to.
  arabic:
    language: ar
    instructions: Answer in Arabic.
  raw:
    audio: pcmu
    instructions: Answer the telephone.
  a-name-of-sixty-four-characters-which-is-as-long-as-one-can-be-1:
    instructions: Answer the telephone.
routes:
  - {to: "+15550100", agent: reception}
  - {to: "+15550101", agent: quiet}
  - {to: "+15550102", agent: raw}
  - {to: "+15550103", agent: a-name-of-sixty-four-characters-which-is-as-long-as-one-can-be-1}
  - {to: "+2011*", agent: arabic}
"""

N = TypeVar("N")


@dataclass
class Clock:
    """Unix time of opening hours, as a test sets it."""

    now: float

    def __call__(self) -> float:
        return self.now


class InProcessServer(GatewayServer):
    """Leaves the signals to pytest, and stops without polling."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, webhooks_s=0.0)
        self.listening, self.stopping = asyncio.Event(), asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.listening.set()
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, without its tenths of a second; the real one is for tests of the drain."""
        await self._drain()
        for listener in (*self.servers, *(sockets or [])):
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        while state.connections or state.tasks:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        await self.lifespan.shutdown()


@dataclass
class GatewayRig:
    """One running gateway. `notes` are those of all calls, in order."""

    url: str
    gateway: Gateway
    server: GatewayServer
    client: httpx2.AsyncClient
    carrier: Carrier
    notes: list[tuple[LiveCall, CallEvent]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, call: LiveCall, note: CallEvent) -> None:
        self.notes.append((call, note))
        news, self._news = self._news, asyncio.Event()
        news.set()

    def said(self, kind: type[N], of: str = "") -> list[N]:
        """All notes of this kind; `of` a CallSid or call_id only those of that call."""
        return [
            note
            for call, note in self.notes
            if isinstance(note, kind) and of in ("", call.facts.call_sid, call.facts.call_id)
        ]

    async def note(self, kind: type[N], nth: int = 1, of: str = "") -> N:
        """The nth note of this kind, as soon as there is one."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.said(kind, of)) < nth:
                await self._news.wait()
        return found[nth - 1]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looks again after each note."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await self._news.wait()

    async def quiet(self) -> None:
        """Returns when every call's session with the model is open: nothing more is on its way."""
        async with asyncio.timeout(PATIENCE_S):
            while any(not self._opened(call) for call in self.gateway.registry.calls):
                await self._news.wait()

    @contextlib.contextmanager
    def draining(self) -> Iterator[None]:
        """As a process that stops takes no new calls."""
        self.gateway.registry.draining = True
        try:
            yield
        finally:
            self.gateway.registry.draining = False

    def model_fails(self) -> None:
        """So many calls in a row had no session that the circuit breaker opens."""
        for _ in range(limits.model.BREAKER_FAILURES):
            self.gateway.capacity.breaker.failed("test")

    def _opened(self, call: LiveCall) -> bool:
        return any(one is call and isinstance(note, ModelReady) for one, note in self.notes)

    async def metrics(self, of: str = "") -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of the registry, by name and labels; or those `of` one name.

        Writing and parsing the text of `/metrics` takes as long as a short call;
        `tests/web/test_health.py` is there for the text.
        """
        # As with a scrape, what was under way has come to its end.
        await self.client.get("/healthz")
        registry = self.gateway.metrics.registry
        named = list(registry.restricted_registry([of]).collect()) if of else []
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in named or registry.collect()
            for sample in family.samples
        }

    async def metric(self, name: str, **labels: str) -> float:
        """One sample; nothing counted is zero."""
        name = f"gateway_{name}"
        return (await self.metrics(of=name)).get((name, frozenset(labels.items())), 0.0)


@contextlib.asynccontextmanager
async def serving(server: InProcessServer, listener: socket.socket) -> AsyncIterator[None]:
    running = asyncio.create_task(server.serve(sockets=[listener]))
    running.add_done_callback(lambda _: server.listening.set())
    try:
        await server.listening.wait()
        yield
    finally:
        server.stopping.set()
        async with asyncio.timeout(PATIENCE_S):
            await running


@contextlib.asynccontextmanager
async def running_gateway(
    agents: Any,
    model: ModelServer | str = NOWHERE,
    tuning: Tuning = DEFAULT_TUNING,
    listener: socket.socket | None = None,
    **environ: str,
) -> AsyncIterator[GatewayRig]:
    """A gateway with these settings; `agents` is the path of its file, `listener` its port."""
    with tempfile.TemporaryDirectory(prefix="gateway-data-") as folder:
        if "GATEWAY_DATABASE" not in environ:
            put_database(Path(environ.get("GATEWAY_DATA_DIR", folder)))
        environ = {"GATEWAY_DATA_DIR": folder} | environ
        async with _running(agents, model, tuning, listener, environ) as rig:
            yield rig


@contextlib.asynccontextmanager
async def _running(
    agents: Any,
    model: ModelServer | str,
    tuning: Tuning,
    listener: socket.socket | None,
    environ: dict[str, str],
) -> AsyncIterator[GatewayRig]:
    settings = load_settings(
        {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": model if isinstance(model, str) else model.base_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_BASE_URL": NOWHERE,
            "GATEWAY_PUBLIC_URL": PUBLIC_URL,
            "GATEWAY_AGENTS": str(agents),
            "GATEWAY_DRAIN_SECONDS": "0",
            **environ,
        }
    )
    patience = tuning.patience
    if patience.media_silence_max_s == limits.call.MEDIA_SILENCE_MAX_S:
        patience = replace(patience, media_silence_max_s=MEDIA_SILENCE_MAX_S)
    patient = replace(tuning, store_max_s=STORE_MAX_S, patience=patience)
    gateway = build(settings, os.environ | environ, tuning=patient)
    listener = listener or free_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = InProcessServer(gateway, "127.0.0.1", 0, settings.drain_s)
    async with (
        serving(server, listener),
        httpx2.AsyncClient(
            base_url=url, verify=False, trust_env=False, timeout=PATIENCE_S
        ) as client,
    ):
        carrier = Carrier(client, settings.public_url, ACCOUNT)
        rig = GatewayRig(url, gateway, server, client, carrier)
        gateway.events.subscribe(rig.hear)
        yield rig


def free_listener() -> socket.socket:
    """On a free port. Its protocol is named, or asyncio would leave Nagle's delay switched on."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener
