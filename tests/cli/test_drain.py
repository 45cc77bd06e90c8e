"""A process that is told to stop, with a call in it: the real command, and real signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from command import PATIENCE_S, Command, running
from gateway_calls import QUIET, TOKEN, Carrier, new_sid
from prometheus_client.parser import text_string_to_metric_families
from redis_end import running_redis
from running_gateway import ACCOUNT, API_KEY, NOWHERE

from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.openai.main import ModelServer


@dataclass
class Serving:
    command: Command
    client: httpx2.AsyncClient
    carrier: Carrier

    async def becomes(self, status: int) -> dict[str, Any]:
        """What `/readyz` says, as soon as it has this status."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    response = await self.client.get("/readyz")
                    if response.status_code == status:
                        body: dict[str, Any] = response.json()
                        return body
                await asyncio.sleep(0.01)

    async def metric(self, name: str, **labels: str) -> float:
        text = (await self.client.get("/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def talks(self) -> None:
        """The stream has begun: until then its caller has a place, and there is no call to end."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.metric("gateway_calls_active", state="talking"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log that tell of this."""
        lines = [json.loads(line) for line in self.command.said.splitlines()]
        return [line for line in lines if line["event"] == event]


@contextlib.asynccontextmanager
async def serving(
    tmp_path: Path, agents_file: Path, model: ModelServer, **environ: str
) -> AsyncIterator[Serving]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "GATEWAY_SIMULATED": "1",
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_PUBLIC_URL": url,
        "GATEWAY_AGENTS": str(agents_file),
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_BASE_URL": NOWHERE,
    }
    async with (
        running(["serve"], settings | environ, tmp_path / "log") as command,
        httpx2.AsyncClient(base_url=url, verify=False, trust_env=False) as client,
    ):
        served = Serving(command, client, Carrier(client, url, ACCOUNT))
        assert await served.becomes(200) == {"status": "ready", "calls": 0}
        yield served


async def test_running_calls_end_by_themselves_and_no_new_one_is_taken(
    tmp_path: Path, agents_file: Path, model: ModelServer
) -> None:
    async with serving(tmp_path, agents_file, model) as served:
        async with served.carrier.call() as stream, stream.breathing():
            await stream.hears("media")
            served.command.signal(signal.SIGTERM)
            assert await served.becomes(503) == {"status": "draining", "calls": 1}
            assert (await served.client.get("/healthz")).status_code == 200
            assert '<Reject reason="busy"/>' in (await served.carrier.ring(new_sid("CA"))).text
            assert await served.metric("gateway_draining") == 1
            assert await served.metric("gateway_calls_refused_total", reason="draining") == 1
            before = await served.metric("gateway_frames_total", direction="up")
            async with asyncio.timeout(PATIENCE_S):
                while await served.metric("gateway_frames_total", direction="up") == before:
                    pass
            await stream.stop()
            assert await stream.closed() == 1000
        # Twilio asks what comes next when the stream is over, and then reports how the call went.
        over = served.carrier.call_fields(stream.call_sid, status="completed")
        for asks in ("/twilio/after", "/twilio/status"):
            assert (await served.carrier.post(asks, over)).status_code in (200, 204)
        assert not served.told("drained")
        assert await served.command.status() == 0
        (answered,) = served.told("answered")
        (ended,) = served.told("ended")
        assert answered["level"] == ended["level"] == "info"
        assert answered["call_sid"] == ended["call_sid"] == stream.call_sid
        assert (ended["ending"], ended["agent"]) == ("caller_hung_up", "reception")
        assert ended.keys() >= {
            "seconds",
            "turns",
            "wait_p50_ms",
            "wait_p95_ms",
            "barge_ins",
            "tools",
            "tokens",
            "path",
            "reason",
        }
        assert served.told("drained")


async def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, agents_file: Path, model: ModelServer
) -> None:
    async with serving(tmp_path, agents_file, model) as served:
        async with served.carrier.call(QUIET) as stream, stream.breathing():
            await served.talks()
            served.command.signal(signal.SIGTERM)
            await served.becomes(503)
            began_s = time.monotonic()
            for impatient in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                served.command.signal(impatient)
            assert await stream.closed() == 1000
        assert await served.command.status() == 0
        assert time.monotonic() - began_s < PATIENCE_S, "and not after an hour"
        (ended,) = served.told("ended")
        assert (ended["ending"], ended["level"]) == ("drained", "warning")


@pytest.mark.needs("redis-server")
async def test_a_caller_who_is_cut_off_does_not_come_back_to_a_process_that_ends(
    tmp_path: Path, agents_file: Path, model: ModelServer
) -> None:
    async with (
        running_redis() as redis,
        serving(tmp_path, agents_file, model, GATEWAY_STORE=redis.url) as served,
    ):
        async with served.carrier.call(QUIET) as stream, stream.breathing():
            await served.talks()
            served.command.signal(signal.SIGTERM)
            await served.becomes(503)
            served.command.signal(signal.SIGTERM)
            assert await stream.closed() == 1000
            with pytest.raises(OSError, match=r"refused|failed"):
                await asyncio.open_connection("127.0.0.1", served.client.base_url.port)
        assert await served.command.status() == 0


async def test_a_call_that_does_not_end_is_ended_at_the_deadline(
    tmp_path: Path, agents_file: Path, model: ModelServer
) -> None:
    drain = {"GATEWAY_DRAIN_SECONDS": "0.4"}
    async with serving(tmp_path, agents_file, model, **drain) as served:
        async with served.carrier.call(QUIET) as stream, stream.breathing():
            await served.talks()
            served.command.signal(signal.SIGTERM)
            assert await stream.closed() == 1000
        assert await served.command.status() == 0
        (ended,) = served.told("ended")
        assert ended["ending"] == "drained"
        assert [entry["code"] for entry in model.journal.of("closed")] == [1000]


async def test_without_a_call_there_is_nothing_to_wait_for(
    tmp_path: Path, agents_file: Path, model: ModelServer
) -> None:
    async with serving(tmp_path, agents_file, model) as served:
        served.command.signal(signal.SIGINT)
        assert await served.command.status() == 0
        assert served.told("drained")
        assert not served.told("ended")
