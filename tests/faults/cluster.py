"""Cluster for fault tests: real gateway processes behind a balancer, a model, Redis, a carrier."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml
from database_end import open_database

from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.openai_project import SIMULATED_PROJECT, SIMULATED_SECRET, WEBHOOK_PATH
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.runner import SimulatedCarrier, rehearse
from gateway.simulator.rehearsal.stalls import Stalls, watched
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.rest_api import TwilioApi, listening
from gateway.simulator.twilio.webhooks import Account, GatewayAddress, Webhooks

ACCOUNT: Final = Account("AC" + "0" * 32, "simulated-auth-token")
START_MAX_S: Final = 60.0
FALLBACK: Final = "+15550142"
AGENTS: Final[dict[str, Any]] = {
    "agents": {
        "desk": {
            "greeting": "Hello, this is the desk.",
            "record": "transcript",
            "instructions": "Be kind.",
            "tools": ["end_call"],
            "fallback": FALLBACK,
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        }
    },
    "routes": [{"to": "*", "agent": "desk"}],
}
TALE: Final = "Let me tell you of the harbour, of the people there and of their lighthouse."
LONG: Final = (
    "Let me tell you a long story about the harbour and the people who live there, and how "
    "they came to build the lighthouse that still stands on the cliff above the old cluster."
)
STORE_KEY: Final = "the-key-of-the-faults-suite"
RECALL: Final = [{"recall": r"code word is (\w+)"}]
HEARS: Final = ["My code word is heron.", "Tell me a story.", "What is it that I told you?"]


@dataclass
class Process:
    """One process of the cluster, and the file of its output."""

    name: str
    handle: asyncio.subprocess.Process
    log: Path

    def send(self, number: signal.Signals) -> None:
        if self.handle.returncode is None:
            self.handle.send_signal(number)

    async def exited(self, within_s: float = 30.0) -> int:
        async with asyncio.timeout(within_s):
            return await self.handle.wait()

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", errors="replace") if self.log.is_file() else ""


class Balancer:
    """Stand-in for a Kubernetes Service: each connection goes to a process that is ready."""

    def __init__(self) -> None:
        self.port = 0
        self.backends: list[int] = []
        self.ready: set[int] = set()
        self.preferred: int | None = None
        """Port that gets all new connections while it is ready."""
        self._turn = 0

    async def watch(self) -> None:
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=1.0) as client:
            while True:
                for port in list(self.backends):
                    ready = await _ready(client, port)
                    if ready and port in self.backends:
                        self.ready.add(port)
                    elif ready is not None:
                        self.ready.discard(port)
                await asyncio.sleep(0.1)

    def remove(self, port: int) -> None:
        """Remove a process, as Kubernetes does with a pod at the moment of its SIGTERM."""
        self.backends.remove(port)
        self.ready.discard(port)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        ready = sorted(self.ready)
        order = [ready[(self._turn + n) % len(ready)] for n in range(len(ready))]
        order.sort(key=lambda port: port != self.preferred)
        for port in order:
            try:
                far = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                self.ready.discard(port)
                continue
            await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
            return
        writer.transport.abort()


async def _ready(client: httpx2.AsyncClient, port: int) -> bool | None:
    """Return whether a process is ready; None for a late answer, as a kubelet asks again."""
    try:
        return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
    except httpx2.TimeoutException:
        return None
    except httpx2.HTTPError:
        return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        writer.transport.abort()
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()


@dataclass
class Cluster:
    """Processes of one fault test, and the calls through them."""

    out: Path
    stack: contextlib.AsyncExitStack
    balancer: Balancer
    carrier: SimulatedCarrier
    script: dict[str, Any]
    agents: dict[str, Any]
    sip: bool = False
    """Whether the model takes calls by SIP as well."""
    model_port: int = field(default_factory=free_port)
    redis_port: int | None = None
    gateways: dict[int, Process] = field(default_factory=dict)
    model: Process | None = None
    redis: Process | None = None
    stalls: Stalls = field(default_factory=Stalls)
    """Stalls of this process, which runs the carrier and the callers."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.balancer.port}"

    async def start_model(self) -> None:
        file = self.out / "model.yaml"
        file.write_text(yaml.safe_dump(self.script, sort_keys=False))
        command = ["-m", "gateway.simulator.openai.main", "--port", str(self.model_port)]
        command += ["--script", str(file), "--voice", "tone"]
        if self.sip:
            command += ["--webhook-url", self.url + WEBHOOK_PATH]
            self.carrier.reachable.connector_url = f"http://127.0.0.1:{self.model_port}"
        self.model = await self._spawn("model", [sys.executable, *command], _clean())
        await _connectable(self.model_port)

    async def start_redis(self) -> None:
        self.redis_port = self.redis_port or free_port()
        command = ["redis-server", "--port", str(self.redis_port), "--save", "", "--bind"]
        command += ["127.0.0.1", "--appendonly", "no"]
        self.redis = await self._spawn("redis", command, _clean())
        await _connectable(self.redis_port)

    async def start_gateway(self, log: str | None = None, **environ: str) -> Process:
        port = free_port()
        agents = self.out / "agents.yaml"
        agents.write_text(yaml.safe_dump(self.agents, sort_keys=False))
        environment = _clean() | {
            "GATEWAY_SIMULATED": "1",
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "GATEWAY_PUBLIC_URL": self.url,
            "GATEWAY_DATA_DIR": str(self.out / "data"),
            "GATEWAY_DRAIN_SECONDS": "0",
            "GATEWAY_LOG_FORMAT": "json",
            "GATEWAY_AGENTS": str(agents),
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.model_port}/v1",
            "TWILIO_ACCOUNT_SID": ACCOUNT.sid,
            "TWILIO_AUTH_TOKEN": ACCOUNT.token,
            "TWILIO_BASE_URL": self.carrier.rest_url,
        }
        if self.sip:
            environment["OPENAI_PROJECT_ID"] = SIMULATED_PROJECT
            environment["OPENAI_WEBHOOK_SECRET"] = SIMULATED_SECRET
        if self.redis_port is not None:
            environment["GATEWAY_STORE"] = f"redis://127.0.0.1:{self.redis_port}/0"
            environment["GATEWAY_STORE_KEY"] = STORE_KEY
        command = [sys.executable, "-m", "gateway.cli.main", "serve"]
        process = await self._spawn(f"gateway-{port}", command, environment | environ, log)
        self.gateways[port] = process
        self.balancer.backends.append(port)
        async with asyncio.timeout(START_MAX_S):
            while port not in self.balancer.ready:
                assert process.handle.returncode is None, process.output[-2000:]
                await asyncio.sleep(0.05)
        return process

    def kill(self, port: int, number: signal.Signals = signal.SIGKILL) -> None:
        if number is signal.SIGTERM:
            self.balancer.remove(port)
        self.gateways[port].send(number)

    async def finish(self) -> None:
        """Have the processes that are left write their records, and end."""
        left = [process for process in self.gateways.values() if process.handle.returncode is None]
        for process in left:
            process.send(signal.SIGTERM)
        await asyncio.gather(*(process.exited() for process in left), return_exceptions=True)

    async def _spawn(
        self, name: str, command: Sequence[str], environment: dict[str, str], log: str | None = None
    ) -> Process:
        path = self.out / f"{name}.log"
        with open(log or path, "wb") as file:  # noqa: ASYNC230
            handle = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self.stack.push_async_callback(_stop, handle)
        return Process(name, handle, path)

    # --- Calls ---

    async def call(self, steps: Sequence[Any], seed: int = 0, **more: Any) -> RehearsalRecord:
        scenario = Scenario.model_validate(
            {
                "name": "fault",
                "steps": list(steps),
                "max_s": 120,
                "expect": {"no_protocol_warnings": False},
                **more,
            }
        )
        return await rehearse(self.carrier, scenario, seed=seed)

    @property
    def busy(self) -> bool:
        """Whether this machine was too busy for its latencies to be the gateway's."""
        return self.stalls.seconds > 0 or os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)

    async def transcript(self, call_sids: set[str]) -> list[dict[str, Any]]:
        """Return the model's lines in these calls, by the records of all processes."""
        async with open_database(self.out / "data", keys=(STORE_KEY,)) as end:
            # What a process that stopped had no time to write, the next one does.
            writing = asyncio.create_task(end.writes.run())
            end.writes.add()  # nothing, behind all that is found in the spool
            await asyncio.wait_for(end.writes.flushed(), START_MAX_S)
            writing.cancel()
            records = [await end.history.find(call_sid) for call_sid in call_sids]
        lines = [line for record in records if record for line in record.transcript]
        return [{"who": line.who, "text": line.text} for line in lines if line.who == "model"]

    async def calls_on(
        self, port: int, steps: Sequence[Any], seeds: range
    ) -> list[asyncio.Task[RehearsalRecord]]:
        """Begin calls that run in one process."""
        before = len(self.carrier.api.calls)
        self.balancer.preferred = port
        calls = [asyncio.create_task(self.call(steps, seed)) for seed in seeds]
        if self.sip:
            await self.wait_for_sidebands(before + len(calls))
        else:
            await self.wait_for_streams(before + len(calls))
        self.balancer.preferred = None
        return calls

    async def wait_for_sidebands(self, calls: int) -> None:
        """Wait until this many SIP calls have a sideband."""
        async with asyncio.timeout(START_MAX_S):
            while await self.metric('calls_active{path="sip",state="talking"}') < calls:
                await asyncio.sleep(0.1)

    async def wait_for_streams(self, calls: int) -> None:
        """Wait until this many calls have a media stream."""
        async with asyncio.timeout(START_MAX_S):
            while sum(c.line.streaming.is_set() for c in self.carrier.api.calls.values()) < calls:
                await asyncio.sleep(0.02)

    async def said(self) -> list[dict[str, Any]]:
        """Return the model's speech, from its journal."""
        async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{self.model_port}/journal.json")
        return [entry for entry in answer.json() if entry.get("kind") == "said"]

    async def metric(self, name: str) -> float:
        """Return the sum of a metric's samples over all running processes."""
        total = 0.0
        async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
            for port, process in self.gateways.items():
                if process.handle.returncode is not None:
                    continue
                text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
                lines = [line for line in text.splitlines() if line.startswith(f"gateway_{name}")]
                total += sum(float(line.rsplit(" ", 1)[1]) for line in lines)
        return total

    async def until_metric(self, name: str, least: float) -> None:
        """Wait until the sum of a metric's samples is at least so much."""
        async with asyncio.timeout(START_MAX_S):
            while await self.metric(name) < least:
                await asyncio.sleep(0.1)

    async def until_logged(self, port: int, event: str) -> None:
        """Wait until this process has the event in its log."""
        async with asyncio.timeout(START_MAX_S):
            while event not in self.gateways[port].output:
                await asyncio.sleep(0.1)


def _clean() -> dict[str, str]:
    ours = ("GATEWAY_", "TWILIO_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


async def _connectable(port: int) -> None:
    async with asyncio.timeout(START_MAX_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _stop(handle: asyncio.subprocess.Process) -> None:
    if handle.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            handle.send_signal(signal.SIGCONT)
            handle.kill()
        await handle.wait()


@contextlib.asynccontextmanager
async def running_cluster(
    out: Path,
    *,
    script: dict[str, Any],
    gateways: int = 1,
    redis: bool = False,
    agents: dict[str, Any] | None = None,
    sip: bool = False,
    **environ: str,
) -> AsyncIterator[Cluster]:
    """Run a cluster with these settings for all gateways."""
    async with contextlib.AsyncExitStack() as stack:
        balancer = Balancer()
        server = await asyncio.start_server(balancer.carry, "127.0.0.1", 0)
        balancer.port = server.sockets[0].getsockname()[1]
        stack.callback(server.close)
        watch = asyncio.create_task(balancer.watch())
        stack.callback(watch.cancel)
        stalls = await stack.enter_async_context(watched())
        api = TwilioApi(ACCOUNT)
        rest_url = await stack.enter_async_context(listening(api.app(), 0))
        url = f"http://127.0.0.1:{balancer.port}"
        # Like Twilio's, every request is a connection of its own: none sticks to one process.
        client = await stack.enter_async_context(
            httpx2.AsyncClient(
                verify=False,
                trust_env=False,
                timeout=15.0,
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
        )
        carrier = SimulatedCarrier(
            api, Webhooks(ACCOUNT, GatewayAddress(url, url), client), rest_url
        )
        cluster = Cluster(
            out, stack, balancer, carrier, script, agents or AGENTS, sip, stalls=stalls
        )
        await cluster.start_model()
        if redis:
            await cluster.start_redis()
        await asyncio.gather(*(cluster.start_gateway(**environ) for _ in range(gateways)))
        yield cluster
        await cluster.finish()


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
