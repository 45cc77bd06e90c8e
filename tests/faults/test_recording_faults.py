"""Faults of recordings, with real processes: killed, without a store, without a disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cluster import AGENTS, Cluster, running_cluster
from fault_result import evaluate, retried_on_stall
from test_faults import WHOLE, said, script

from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.recordings.object_store import RecordingObjects

pytestmark = pytest.mark.long

KEY = "the-key-of-the-faults-suite"
RECORDED: dict[str, Any] = {
    "agents": {
        "desk": {**AGENTS["agents"]["desk"], "recording": {"consent": "Recorded.", "format": "wav"}}
    },
    "routes": AGENTS["routes"],
}


async def stored(cluster: Cluster, call_sid: str, keys: list[str]) -> tuple[StoredRecording, bytes]:
    """The recording of a call, as soon as it is stored, and its sound."""
    library = RecordingLibrary(RecordingObjects(f"file://{cluster.out}/data/recordings"), keys)
    async with asyncio.timeout(60):
        while (reader := await library.find(call_sid)) is None:
            await asyncio.sleep(0.2)
        # A part that comes late is joined with what was stored.
        while (reader := await library.find(call_sid)) and spooled(cluster):
            await asyncio.sleep(0.2)
    assert reader is not None
    sound = b"".join([block async for block in reader.read(0, reader.info.bytes)])
    return reader.info, sound[44:]


def spooled(cluster: Cluster) -> list[Path]:
    return list((cluster.out / "data" / "recording-spool").glob("*.jsonl"))


def loud(pcm: bytes, from_s: float, to_s: float) -> bool:
    return any(pcm[round(from_s * 32_000) : round(to_s * 32_000)])


@retried_on_stall
async def test_a_process_is_killed_in_a_recorded_call(tmp_path: Path) -> None:
    """The call goes on in another process: one recording, with the gap marked."""
    async with running_cluster(
        tmp_path, script=script(), agents=RECORDED, redis=True, gateways=2
    ) as cluster:
        killed, _ = cluster.gateways
        (call,) = await cluster.calls_on(killed, WHOLE, range(1))
        await said(cluster, "lighthouse", 1)
        cluster.kill(killed)
        record = await call
        info, pcm = await stored(cluster, record.call_sid, [KEY])
        evaluate("recorded call, process SIGKILL", [record], [], asked=0).check(most_ms=5000)
    (gap,) = [one for one in info.gaps if one.kind == "killed"]
    assert info.sealed
    assert len(info.parts) == 2
    assert loud(pcm, 0, gap.from_s)
    assert loud(pcm, gap.to_s, info.seconds)
    assert not loud(pcm, gap.from_s + 0.001, gap.to_s - 0.001)
    # Of what the killed process heard about a second is missing, and of the way to the other one.
    assert gap.to_s - gap.from_s < 10


TOKEN = "a-token-of-the-operators"


@retried_on_stall
async def test_nobody_goes_on_with_the_call_of_a_killed_process(tmp_path: Path) -> None:
    """It has written no record: its recording is found all the same, and can be forgotten."""
    async with running_cluster(
        tmp_path, script=script(), agents=RECORDED, gateways=1, GATEWAY_ADMIN_TOKEN=TOKEN
    ) as cluster:
        (killed,) = cluster.gateways
        (call,) = await cluster.calls_on(killed, WHOLE, range(1))
        await said(cluster, "lighthouse", 1)
        cluster.kill(killed)
        record = await call
        evaluate("recorded call, SIGKILL, nobody else", [record], [], asked=0)
        await cluster.start_gateway(GATEWAY_ADMIN_TOKEN=TOKEN)
        await stored(cluster, record.call_sid, [])
        (on_line,) = cluster.carrier.api.calls.values()
        async with (
            asyncio.timeout(60),
            httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{list(cluster.gateways)[-1]}",
                headers={"Authorization": f"Bearer {TOKEN}"},
                trust_env=False,
            ) as api,
        ):
            path = f"/api/calls/{record.call_sid}"
            while not (found := await api.get(path)).is_success:
                await asyncio.sleep(0.2)
            assert found.json()["reason"] == "process_killed"
            assert (await api.get(f"{path}/recording")).content[:4] == b"RIFF"
            caller = {"caller": on_line.fields()["From"]}
            report = (await api.post("/api/forget", json=caller)).json()
        assert report["calls"] == [record.call_sid]
        assert report["deleted"]["recordings"] == 1
        assert not any(report["left"].values())
    places = tmp_path / "data" / "recordings", tmp_path / "data" / "recording-spool"
    assert [one for place in places for one in place.rglob("*") if one.is_file()] == []


@retried_on_stall
async def test_the_store_of_recordings_is_away(tmp_path: Path) -> None:
    """What is in the spool when the process is killed is stored by the next one."""
    async with running_cluster(tmp_path, script=script(), agents=RECORDED, gateways=0) as cluster:
        away = {
            "GATEWAY_RECORDINGS": "s3://bucket/calls",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        await cluster.start_gateway(**away)
        record = await cluster.call(WHOLE)
        evaluate("object store of recordings away", [record], [], asked=0).check(most_ms=5000)
        async with asyncio.timeout(60):
            while not await cluster.metric('recording_errors_total{reason="store"}'):
                await asyncio.sleep(0.2)
        assert len(spooled(cluster)) == 1
        (port,) = cluster.gateways
        cluster.kill(port)
        await cluster.gateways[port].exited()
        cluster.balancer.remove(port)
        await cluster.start_gateway()
        info, pcm = await stored(cluster, record.call_sid, [])
    assert info.gaps == []
    assert loud(pcm, 0, info.seconds)


@retried_on_stall
async def test_the_disk_takes_no_recording(tmp_path: Path) -> None:
    """The call goes on, and what is missing is counted."""
    async with running_cluster(tmp_path, script=script(), agents=RECORDED, gateways=0) as cluster:
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "recording-spool").write_bytes(b"no folder can be made here")
        await cluster.start_gateway()
        record = await cluster.call(WHOLE)
        assert await cluster.metric('recording_errors_total{reason="disk"}') > 0
        evaluate("no disk for recordings", [record], [], asked=0).check(most_ms=5000)
