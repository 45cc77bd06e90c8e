"""The database and the receiver of events go away, and processes die: nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx2
import pytest
from cluster import running_cluster
from fault_result import UNNOTICED_MS, evaluate, retried_on_stall
from http_end import http_end
from postgres_end import PostgresEnd, running_postgres
from test_faults import WHOLE, script

pytestmark = [pytest.mark.long, pytest.mark.needs("initdb")]
TOKEN = "a-token-of-the-operators"
SECRET = "whsec_bmV3IHNlY3JldA=="


@retried_on_stall
async def test_the_database_and_the_receiver_are_away(tmp_path: Path) -> None:
    """The process that had the call is killed before the database is back."""
    with running_postgres() as postgres:
        await _away(tmp_path, postgres)


async def _away(tmp_path: Path, postgres: PostgresEnd) -> None:
    url = postgres.new_database()
    async with http_end() as receiver:
        receiver.answers["/events"] = (500, {}, b"")
        more = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_DATABASE": url,
            "GATEWAY_EVENTS_URL": f"{receiver.url}/events",
            "GATEWAY_EVENTS_SECRET": SECRET,
        }
        async with running_cluster(tmp_path, script=script(), gateways=1, **more) as cluster:
            await asyncio.to_thread(postgres.stop)
            try:
                record = await cluster.call(WHOLE)
                result = evaluate("database away", [record], await cluster.said(), asked=1)
                async with asyncio.timeout(30):
                    while not await cluster.metric("records_waiting"):
                        await asyncio.sleep(0.1)
                cluster.kill(next(iter(cluster.gateways)), signal.SIGKILL)
            finally:
                await asyncio.to_thread(postgres.start)
            del receiver.answers["/events"]
            await cluster.start_gateway(**more)
            port = list(cluster.gateways)[-1]
            async with (
                asyncio.timeout(60),
                httpx2.AsyncClient(
                    verify=False,
                    base_url=f"http://127.0.0.1:{port}",
                    headers={"Authorization": f"Bearer {TOKEN}"},
                    trust_env=False,
                ) as client,
            ):
                while True:
                    answer = await client.get("/api/calls?state=ended")
                    ended = answer.json().get("calls", [])
                    if ended and b"call.ended" in b"".join(one.body for one in receiver.seen):
                        break
                    await asyncio.sleep(0.2)
    assert len(ended) == 1
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)
