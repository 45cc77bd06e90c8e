"""Deletion over the API: what is refused, and what is left of a call afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from gateway_calls import CALLER, QUIET
from http_end import http_end
from left_behind import redis_dump
from redis_end import running_redis
from running_gateway import GatewayRig, running_gateway

from gateway.call import events

TOKEN = "a-token-of-the-operators"


@pytest.fixture
async def rig(agents_file: Path, tmp_path: Path) -> AsyncIterator[GatewayRig]:
    environ = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with running_gateway(agents_file, **environ) as running:
        yield running


def client(rig: GatewayRig) -> httpx2.AsyncClient:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.AsyncClient(
        verify=False, base_url=rig.url, headers=bearer, trust_env=False, timeout=30.0
    )


async def test_a_running_call_stays_and_an_ended_one_goes(rig: GatewayRig) -> None:
    async with client(rig) as api:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.CallerConnected)
            path = f"/api/calls/{stream.call_sid}"
            assert (await api.delete(path)).status_code == 409
            report = (await api.post("/api/forget", json={"caller": CALLER})).json()
            assert report["running"] == [stream.call_sid]
            await stream.stop()
        await rig.note(events.CallEnded)
        # What it left was dropped, since its caller was forgotten while it ran.
        assert (await api.delete(path)).status_code == 404
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.CallerConnected, 2)
            await stream.stop()
        await rig.note(events.CallEnded, 2)
        path = f"/api/calls/{stream.call_sid}"
        report = (await api.delete(path)).json()
        assert report["calls"] == [stream.call_sid]
        assert report["deleted"]["calls"] == 1
        assert set(report["left"]) == {"calls", "deliveries", "journal", "recordings", "states"}
        assert not any(report["left"].values())
        assert (await api.delete(path)).status_code == 404
        assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"), [({}, 422), ({"caller": ""}, 422), ({"caller": "+1", "all": True}, 422)]
)
async def test_what_is_no_number_forgets_nobody(
    rig: GatewayRig, body: dict[str, object], status: int
) -> None:
    async with client(rig) as api:
        assert (await api.post("/api/forget", json=body)).status_code == status
    async with httpx2.AsyncClient(verify=False, base_url=rig.url, trust_env=False) as stranger:
        assert (await stranger.post("/api/forget", json={"caller": CALLER})).status_code == 401


SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
FACTS = "Ms Rosewater, customer 8471"
WORDS = "The heron nests by the harbour."
KNOWN = """
agents:
  desk:
    instructions: Wait.
    record: transcript
    before: {http: {url: "URL/before", secret: "${DESK_SECRET}", allow_private: true}}
routes:
  - {to: "*", agent: desk}
"""


@pytest.mark.needs("redis-server")
async def test_nothing_of_a_forgotten_caller_stands_anywhere(tmp_path: Path) -> None:
    """Not in the database and its journal, the spools, the outbox, the audit log, or Redis."""
    data = tmp_path / "data"
    async with running_redis() as redis, http_end() as far:
        answer = json.dumps({"facts": {"who": FACTS}}).encode()
        far.answers["/before"] = (200, {"content-type": "application/json"}, answer)
        far.answers["/events"] = (500, {}, b"")
        agents = tmp_path / "agents.yaml"
        agents.write_text(KNOWN.replace("URL", far.url))
        environ = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_DATA_DIR": str(data),
            "GATEWAY_STORE": redis.url,
            "GATEWAY_EVENTS_URL": f"{far.url}/events",
            "GATEWAY_EVENTS_SECRET": SECRET,
            "DESK_SECRET": SECRET,
        }
        async with running_gateway(agents, **environ) as rig, client(rig) as api:
            async with rig.carrier.call(QUIET) as stream:
                await rig.note(events.CallerConnected)
                (call,) = rig.gateway.registry.calls
                line = events.TranscriptLine("caller", WORDS, "item_1")
                rig.gateway.events.publish(call, line)
                # The calls that other processes may show are posted every two seconds.
                async with asyncio.timeout(20):
                    shown = f'"caller":"{CALLER}"'.encode()
                    while shown not in await redis_dump(redis.port):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                await stream.stop()
            await rig.note(events.CallEnded)
            sid = stream.call_sid
            assert WORDS in (await api.get(f"/api/calls/{sid}")).text
            before = {name: _found(text) for name, text in (await _all(data, redis.port)).items()}
            assert any(before.values()), "nothing was looked into"
            assert before["redis"], "the store was not looked into"
            report = (await api.post("/api/forget", json={"caller": CALLER})).json()
            assert not any(report["left"].values())
            assert report["calls"] == [sid]
            assert await _left(data, redis.port) == {}
            audit = (await api.get("/api/audit")).text
            assert "forget" in audit
            assert _found(audit.encode()) == []
        assert await _left(data, redis.port) == {}


def _found(text: bytes) -> list[str]:
    wanted = (FACTS, WORDS, CALLER, CALLER.removeprefix("+"))
    return [one for one in wanted if one.encode() in text]


async def _left(data: Path, port: int) -> dict[str, list[str]]:
    """What is found where; a state that was being written when its call ended goes in a moment."""
    found: dict[str, list[str]] = {"nowhere": ["looked"]}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while found:
                everything = await _all(data, port)
                found = {name: seen for name, text in everything.items() if (seen := _found(text))}
                await asyncio.sleep(0.05)
    return found


async def _all(data: Path, port: int) -> dict[str, bytes]:
    return await asyncio.to_thread(_files, data) | {"redis": await redis_dump(port)}


def _files(data: Path) -> dict[str, bytes]:
    found = {}
    for path in data.rglob("*"):
        with contextlib.suppress(OSError):  # an entry of a spool, written and gone
            found[str(path.relative_to(data))] = path.read_bytes()
    return found
