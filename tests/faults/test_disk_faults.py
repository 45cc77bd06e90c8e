"""A disk that is full, and has room again: calls go on, and nothing of them is lost.

The disk is a small one of its own (tmpfs), which only root can mount.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from cluster import Cluster, running_cluster
from fault_result import UNNOTICED_MS, evaluate, retried_on_stall
from http_end import HttpEnd, http_end
from test_faults import WHOLE, said, script
from test_recording_faults import RECORDED, loud, stored

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs("mount"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk"),
]
TOKEN = "a-token-of-the-operators"
DISK_MIB = 12


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    options = f"size={DISK_MIB}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Write until the disk takes not one byte more; return the file that can be deleted."""
    ballast = folder / "ballast"
    with ballast.open("wb", 0) as file:
        for size in (1 << 16, 1 << 12, 1 << 8, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    return ballast


async def ended(cluster: Cluster, calls: set[str]) -> dict[str, dict[str, Any]]:
    """The records of these calls, as soon as the database has all of them."""
    (port,) = cluster.gateways
    url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {TOKEN}"}
    async with (
        asyncio.timeout(90),
        httpx2.AsyncClient(verify=False, base_url=url, headers=headers, trust_env=False) as client,
    ):
        while True:
            page = (await client.get("/api/calls?state=ended")).json()
            known = {one["id"] for one in page.get("calls", [])}
            if calls <= known and page["complete"] and not await cluster.metric("records_waiting"):
                break
            await asyncio.sleep(0.2)
        return {one: (await client.get(f"/api/calls/{one}")).json() for one in calls}


async def delivered(receiver: HttpEnd, calls: set[str]) -> list[str]:
    """The types of the events of these calls in their order, once each call's end is there."""
    async with asyncio.timeout(60):
        while True:
            bodies = [msgspec.json.decode(one.body) for one in receiver.seen]
            types = [
                (one["data"].get("call", one["data"].get("id")), one["type"]) for one in bodies
            ]
            over = [call for call, kind in types if kind == "call.ended"]
            if set(over) >= calls:
                assert len(over) == len(set(over)), "an end was told twice"
                return [kind for _, kind in types]
            await asyncio.sleep(0.2)


@retried_on_stall
async def test_the_disk_is_full_and_has_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data"):
        await _full(tmp_path)


async def _full(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with http_end() as receiver:
        more = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_EVENTS_URL": f"{receiver.url}/events",
            "GATEWAY_EVENTS_SECRET": "whsec_bmV3IHNlY3JldA==",
        }
        async with running_cluster(
            tmp_path, script=script(), agents=RECORDED, gateways=1, **more
        ) as cluster:
            before = await cluster.call(WHOLE)
            await ended(cluster, {before.call_sid})
            await stored(cluster, before.call_sid, [])

            ballast = await asyncio.to_thread(fill, data)
            full = await cluster.call(WHOLE)
            async with asyncio.timeout(30):
                while not await cluster.metric("records_waiting"):
                    await asyncio.sleep(0.1)
            assert await cluster.metric('recording_errors_total{reason="disk"}') > 0
            while_full = asyncio.create_task(cluster.call(WHOLE))
            await said(cluster, "lighthouse", 3)
            # Room comes in the middle of a call: from there on it is recorded.
            ballast.unlink()
            partly = await while_full
            after = await cluster.call(WHOLE)

            calls = {one.call_sid for one in (before, full, partly, after)}
            records = await ended(cluster, calls)
            await delivered(receiver, calls)
            assert await cluster.metric("records_lost_total") == 0
            info, pcm = await stored(cluster, partly.call_sid, [])
            whole, _ = await stored(cluster, after.call_sid, [])
            result = evaluate("disk full", [full, partly], [], asked=0)
    assert all(len(one["transcript"]) >= 4 for one in records.values()), "words were lost"
    (gap,) = info.gaps
    assert (gap.kind, gap.from_s) == ("gap", 0)
    assert not loud(pcm, 0, gap.to_s - 0.001)
    assert loud(pcm, gap.to_s, info.seconds)
    assert whole.gaps == []
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)
