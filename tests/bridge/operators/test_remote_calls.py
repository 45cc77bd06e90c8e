"""Two processes, one Redis, one database: a console at either one sees and steers every call."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway_calls import QUIET, new_sid
from PIL import Image
from redis_end import RedisEnd, running_redis
from running_gateway import GatewayRig, running_gateway

from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer

pytestmark = pytest.mark.needs("redis-server")
TOKEN = "a-token-of-the-operators"


@pytest.fixture
async def redis() -> AsyncIterator[RedisEnd]:
    async with running_redis() as running:
        yield running


@dataclass
class Pair:
    """A process that has calls, and one at which the operator is."""

    has: GatewayRig
    client: httpx2.AsyncClient

    async def live(self, query: str = "") -> list[dict[str, Any]]:
        answer = await self.client.get(f"/api/calls?state=live{query}")
        calls: list[dict[str, Any]] = answer.json()["calls"]
        return calls

    async def sees(self, call_sid: str) -> None:
        async with asyncio.timeout(30):
            while call_sid not in [call["id"] for call in await self.live()]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def post(self, path: str, **body: Any) -> httpx2.Response:
        return await self.client.post(path, **body)


@pytest.fixture
async def pair(
    agents_file: Path, model: ModelServer, redis: RedisEnd, tmp_path: Path
) -> AsyncIterator[Pair]:
    more = {
        "GATEWAY_ADMIN_TOKEN": TOKEN,
        "GATEWAY_STORE": redis.url,
        "GATEWAY_STORE_KEY": "key",
        "GATEWAY_DATABASE": f"sqlite:///{tmp_path}/shared.sqlite3",
    }
    async with AsyncExitStack() as stack:
        has, other = [
            await stack.enter_async_context(running_gateway(agents_file, model, **more))
            for _ in "12"
        ]
        client = httpx2.AsyncClient(
            verify=False,
            base_url=other.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=20.0,
        )
        yield Pair(has, await stack.enter_async_context(client))


async def test_a_call_of_another_process_is_seen_and_hung_up(pair: Pair) -> None:
    async with pair.has.carrier.call(QUIET) as stream, stream.breathing():
        await pair.has.note(events.CallerConnected)
        path = f"/api/calls/{stream.call_sid}"
        await pair.sees(stream.call_sid)
        answer = (await pair.client.get("/api/calls")).json()
        assert answer["elsewhere"] == [stream.call_sid]
        assert await pair.live("&agent=reception") == []
        assert await pair.live("&caller=%2B15550000000") == []
        record = (await pair.client.get(path)).json()
        assert (record["state"], record["agent"]) == ("talking", "quiet")
        hung_up = await pair.post(f"{path}/hangup")
        assert (hung_up.status_code, hung_up.json()["action"]) == (202, "hangup")
        assert (await pair.has.note(events.CallEnded)).ending is Ending.OPERATOR_HUNG_UP
    async with asyncio.timeout(30):
        while (await pair.client.get(path)).json().get("state") != "ended":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await pair.post(f"{path}/hangup")).status_code == 409
    assert (await pair.post(f"/api/calls/{new_sid('CA')}/hangup")).status_code == 404
    (ended,) = (await pair.client.get("/api/calls?state=ended")).json()["calls"]
    assert ended["id"] == stream.call_sid


async def test_a_line_and_a_picture_reach_it_and_a_refusal_comes_back(pair: Pair) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 80).save(buffer, "PNG")
    async with pair.has.carrier.call(QUIET) as stream, stream.breathing():
        await pair.has.note(events.ModelReady)
        await pair.sees(stream.call_sid)
        path = f"/api/calls/{stream.call_sid}"
        refused = await pair.post(f"{path}/transfer", json={"to": "nobody"})
        assert refused.status_code == 422
        assert "targets: none" in refused.json()["detail"]
        unknown = await pair.post(f"{path}/approvals/none", json={"approve": True})
        assert unknown.status_code == 404
        shown = await pair.post(
            f"{path}/image", content=buffer.getvalue(), headers={"Content-Type": "image/png"}
        )
        assert shown.status_code == 202, shown.text
        await pair.has.note(events.TranscriptLine)
        assert (await pair.post(f"{path}/say", json={"text": "We close."})).status_code == 202


async def test_the_stream_of_events_tells_of_it(pair: Pair) -> None:
    async with pair.client.stream("GET", "/api/events") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == ": watching"
        async with pair.has.carrier.call(QUIET) as stream, stream.breathing():
            await pair.has.note(events.CallerConnected)
            change = await _change(lines, stream.call_sid)
            assert (change["part"], change["remote"]) == ("summary", True)
            assert change["value"]["agent"] == "quiet"
            await stream.stop()
        while change["value"]["state"] != "ended":
            change = await _change(lines, stream.call_sid)
        assert change["value"]["ending"] == "caller_hung_up"


async def _change(lines: AsyncIterator[str], call_sid: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        async for line in lines:
            if line.startswith("data: "):
                change: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if change["call"] == call_sid:
                    return change
    raise AssertionError("the stream is over")
