"""Deletion over the API: what is refused, and what is left of a call afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from gateway_calls import CALLER, QUIET, Stream
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
        # What it left was dropped, since its caller was forgotten while it ran; in the store are
        # names of it and how it ended, which nobody has needed since.
        again = (await api.post("/api/forget", json={"caller": CALLER})).json()
        assert again["calls"] == [stream.call_sid]
        assert not again["running"]
        assert not any(again["left"].values())
        assert (await api.get(path)).status_code == 404
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
                    while sid_of(stream) not in (text := await redis_dump(redis.port)):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                assert f'"caller":"{CALLER}"'.encode() not in text, "a hash is enough for that"
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


@pytest.mark.needs("redis-server")
async def test_what_the_store_has_by_a_number_goes_too(agents_file: Path, tmp_path: Path) -> None:
    """Answers to texts, of whoever never called; what stays are bars without a name or number."""
    environ = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with running_redis() as redis:
        environ["GATEWAY_STORE"] = redis.url
        async with running_gateway(agents_file, **environ) as rig, client(rig) as api:
            text = {"MessageSid": "SM" + "1" * 32, "From": CALLER, "To": QUIET, "Body": "Hello"}
            account = {"AccountSid": rig.carrier.account, "NumMedia": "0"}
            assert (await rig.carrier.post("/twilio/messages", text | account)).is_success
            assert b"answered:" in await redis_dump(redis.port)
            report = (await api.post("/api/forget", json={"caller": CALLER})).json()
            assert report["deleted"]["numbers"] == 3, "the text, its answer, and that it was given"
            assert report["left"]["numbers"] == 0
            left = await redis_dump(redis.port)
            for trace in (b"answered:", b"SM1", b"traces:", CALLER.encode()):
                assert trace not in left
            # Whoever writes again is new.
            text["MessageSid"] = "SM" + "2" * 32
            assert (await rig.carrier.post("/twilio/messages", text | account)).is_success
            assert b"answered:" in await redis_dump(redis.port)


def sid_of(stream: Stream) -> bytes:
    """Return what a call has on the board of its process."""
    return f'"id":"{stream.call_sid}"'.encode()


def _found(text: bytes) -> list[str]:
    wanted = (FACTS, WORDS, CALLER, CALLER.removeprefix("+"))
    return [one for one in wanted if one.encode() in text]


async def _left(data: Path, port: int) -> dict[str, list[str]]:
    """What is found where, at once: nothing that was being written comes later."""
    everything = await _all(data, port)
    return {name: seen for name, text in everything.items() if (seen := _found(text))}


async def _all(data: Path, port: int) -> dict[str, bytes]:
    return await asyncio.to_thread(_files, data) | {"redis": await redis_dump(port)}


def _files(data: Path) -> dict[str, bytes]:
    found = {}
    for path in data.rglob("*"):
        with contextlib.suppress(OSError):  # an entry of a spool, written and gone
            found[str(path.relative_to(data))] = path.read_bytes()
    return found
