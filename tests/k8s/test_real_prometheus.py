"""The real Prometheus server on a real gateway: quiet while it is healthy, not when it is slow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_tools import RULES, promtool, tool
from warm_python import warm_python

from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator.caller.gateway_process import ProcessPlan, free_port, spawned
from gateway.simulator.rehearsal.runner import SimulatedCarrier, carrier, rehearse_many
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

pytestmark = pytest.mark.needs("promtool", "prometheus")

PATIENCE_S = 40.0
ALERT = "GatewayCallersWait"
SHORT = {
    "1m": "8s",
    "2m": "8s",
    "5m": "8s",
    "10m": "8s",
    "15m": "8s",
    "30m": "12s",
    "1h": "12s",
    "6h": "15s",
}
SLOW_TURNS = 2
"""Of each of the two turns: so many times, over all calls, the model thinks too long."""
AGENTS = {
    "agents": {
        "desk": {
            "greeting": "Hello, how can I help you?",
            "instructions": "Be kind.",
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        }
    },
    "routes": [{"to": "*", "agent": "desk"}],
}
TURN = [{"think_ms": 3000, "times": SLOW_TURNS}, {"say": "Yes, of course I am."}]
SCRIPT = {"think_ms": 0, "speed": 50.0, "turns": [TURN, TURN]}
HEALTHY = {"turns": [[{"say": "Yes, of course I am."}]] * 2}
"""A model that begins after 250 ms and sends its audio four times as fast as it is played."""
HEALTHY_AGENTS = {
    "agents": {"desk": {"greeting": "Hello, how can I help you?", "instructions": "Be kind."}},
    "routes": [{"to": "*", "agent": "desk"}],
}
"""With the default turn detection: 500 ms of silence."""
FOR_A_MOMENT = "GatewayEventLoopLate|GatewayRecordsWaiting"
"""Without their `for`: where other programs use both cores, and while a record is being written."""
CALL = Scenario.model_validate(
    {
        "name": "two short questions",
        "steps": [
            {"hear": {"until_silence_ms": 500, "at_least_ms": 100}},
            {"say": "Are you there?"},
            {"hear": {"until_silence_ms": 500, "at_least_ms": 100}},
            {"say": "Are you open?"},
            {"hear": {"until_silence_ms": 500, "at_least_ms": 100}},
            "hang_up",
        ],
    }
)


def shortened() -> str:
    """The shipped rules over seconds instead of hours, for a handful of turns."""
    text = re.sub(r"\[(\w+)\]", lambda found: f"[{SHORT[found[1]]}]", RULES.read_text())
    return re.sub(r"for: \w+", "for: 0s", text).replace(">= 20", ">= 2")


@pytest.fixture(autouse=True)
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model and the gateway would import for longer than they run."""
    monkeypatch.setattr(sys, "executable", warm_python())


class Prometheus:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def firing(self) -> dict[str, Any]:
        found = (await self._client.get("/api/v1/alerts")).json()["data"]["alerts"]
        return {one["labels"]["alertname"]: one for one in found if one["state"] == "firing"}

    async def value(self, query: str) -> float:
        answer = await self._client.get("/api/v1/query", params={"query": query})
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else float("nan")

    async def names(self, query: str) -> set[str]:
        """Return the alerts that a query finds."""
        answer = await self._client.get("/api/v1/query", params={"query": query})
        return {found["metric"]["alertname"] for found in answer.json()["data"]["result"]}

    async def comes_to(self, query: str, wanted: float) -> None:
        """As soon as the last scrape has it."""
        give_up_at = monotonic() + PATIENCE_S
        while (found := await self.value(query)) != wanted:
            assert monotonic() < give_up_at, f"{query} is {found}"
            await asyncio.sleep(0.1)

    async def sees(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The alerts, as soon as they are as wanted."""
        give_up_at = monotonic() + PATIENCE_S
        while not wanted(found := await self.firing()):
            assert monotonic() < give_up_at, f"still: {json.dumps(found, indent=1)}"
            await asyncio.sleep(0.1)
        return found


@contextlib.asynccontextmanager
async def prometheus(folder: Path, gateway_url: str) -> AsyncIterator[Prometheus]:
    url = f"127.0.0.1:{free_port()}"
    (folder / "rules.yaml").write_text(shortened())
    config = {
        "global": {
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms",
            "evaluation_interval": "500ms",
        },
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [
            {
                "job_name": "gateway",
                "static_configs": [{"targets": [gateway_url.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    process = await asyncio.create_subprocess_exec(
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url}",
        "--log.level=error",
    )
    try:
        async with httpx2.AsyncClient(
            verify=False, base_url=f"http://{url}", trust_env=False
        ) as client:
            await _ready(client, process)
            yield Prometheus(client)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _ready(client: httpx2.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while process.returncode is None:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get("/-/ready")).is_success:
                    return
            await asyncio.sleep(0.1)
    raise AssertionError("prometheus did not start")


async def calls(twilio: SimulatedCarrier) -> None:
    records = await rehearse_many(twilio, CALL, calls=2, concurrency=2)
    assert [record.failures for record in records] == [[], []]


async def test_an_alert_fires_while_callers_wait_and_clears_when_they_do_not(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    account = Account(SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN)
    async with carrier(account, GatewayAddress(url, url), rest_port=0) as twilio:
        plan = ProcessPlan(account, port, twilio.rest_url, tmp_path, AGENTS, SCRIPT)
        async with spawned(plan), prometheus(tmp_path, url) as server:
            async with asyncio.TaskGroup() as both:
                waking = both.create_task(server.sees(lambda alerts: ALERT in alerts))
                both.create_task(calls(twilio))
            summary = waking.result()[ALERT]["annotations"]["summary"]
            assert re.match(r"\d+(\.\d+)?% of turns", summary)

            await calls(twilio)
            await server.sees(lambda alerts: ALERT not in alerts)

            await server.comes_to("sum(gateway_response_seconds_count)", 8)
            await server.comes_to('sum(gateway_calls_ended_total{ending="caller_hung_up"})', 4)
            assert await server.value("sum(gateway_cost_usd_total)") > 4 * 0.0085
            async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
                promtool("check", "metrics", text=(await client.get(f"{url}/metrics")).text)


async def test_a_healthy_gateway_fires_nothing(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    account = Account(SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN)
    async with carrier(account, GatewayAddress(url, url), rest_port=0) as twilio:
        plan = ProcessPlan(account, port, twilio.rest_url, tmp_path, HEALTHY_AGENTS, HEALTHY)
        async with spawned(plan), prometheus(tmp_path, url) as server:
            await server.comes_to("sum(gateway_build_info)", 1)
            await server.sees(lambda alerts: not alerts)  # GatewayDown, until the first scrape
            before = await server.value("vector(time())")
            await calls(twilio)
            await server.comes_to("sum(gateway_response_seconds_count)", 4)
            await server.comes_to('sum(gateway_calls_ended_total{ending="caller_hung_up"})', 2)
            since = int(await server.value("vector(time())") - before)
            firing = f'alertstate="firing",alertname!~"{FOR_A_MOMENT}"'
            fired = await server.names(f"count_over_time(ALERTS{{{firing}}}[{since}s])")
            assert fired == set()
            # The rules were evaluated, and by default a turn takes longer than 600 ms.
            assert await server.value("count(gateway:turns_slow:ratio_rate1h)") == 1
            wait = "gateway_response_seconds"
            assert await server.value(f"sum({wait}_sum) / sum({wait}_count)") > 0.6
