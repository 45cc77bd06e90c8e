"""Faults during calls: no caller is lost, and the agent still knows what they said."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from cluster import FALLBACK, HEARS, RECALL, TALE, Cluster, running_cluster
from fault_result import UNNOTICED_MS, evaluate, retried_on_stall

pytestmark = pytest.mark.whole_call
HEAR: dict[str, Any] = {"hear": {"until_silence_ms": 600, "timeout_s": 40}}
PATIENT: dict[str, Any] = {"hear": {"until_silence_ms": 2000, "timeout_s": 40}}
"""A longer wait: nobody asks a question into a line that has just become silent."""
TELL = {"say": "My code word is heron."}
ASK = {"say": "What was it?"}
STORY = {"say": "A story!"}
WHOLE = [HEAR, TELL, HEAR, STORY, HEAR, ASK, HEAR, "hang_up"]
NOTED = [{"say": "That is noted."}]


def script(*story: dict[str, Any], **more: Any) -> dict[str, Any]:
    turns = [NOTED, list(story) or [{"say": TALE}], RECALL, RECALL, RECALL, RECALL]
    return {"hears": HEARS, "turns": turns, "think_ms": 150, "demo_turns": 90, **more}


def transferred(cluster: Cluster) -> int:
    """Return how many callers were transferred to a person."""
    calls = cluster.carrier.api.calls.values()
    return sum(any(FALLBACK in m.detail for m in c.line.moments) for c in calls)


async def said(cluster: Cluster, words: str, times: int) -> None:
    async with asyncio.timeout(60):
        while sum(words in one["text"] for one in await cluster.said()) < times:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "codes", [(1006,), pytest.param((1001, 1011, 1013), marks=pytest.mark.long)]
)
@retried_on_stall
async def test_a_socket_breaks(codes: tuple[int, ...], tmp_path: Path) -> None:
    """The model's socket closes with each code for a retry; the caller's socket breaks."""
    closes = [{"close": code, "times": 1} for code in codes]
    broken = [
        HEAR,
        TELL,
        HEAR,
        STORY,
        {"wait_ms": 1500},
        "drop_socket",
        PATIENT,
        ASK,
        HEAR,
        "hang_up",
    ]
    async with running_cluster(
        tmp_path, script=script({"say": TALE}, *closes, speed=1.5)
    ) as cluster:
        calls = [asyncio.create_task(cluster.call(WHOLE, seed)) for seed in range(len(codes))]
        await said(cluster, "noted", len(codes))
        # Late enough that every scripted close has happened.
        cut_off = await cluster.call(broken, len(codes))
        records = await asyncio.gather(*calls)
        journal = await cluster.said()
        assert await cluster.metric("model_reconnects_total") == len(codes)
    closed = ", ".join(map(str, codes))
    kept = evaluate(f"model's socket closed ({closed})", records, journal, asked=len(codes) + 1)
    kept.check(most_ms=1500, busy=cluster.busy)
    again = evaluate("media socket broken mid-word", [cut_off], journal, asked=1)
    again.check(most_ms=3000, busy=cluster.busy)


@pytest.mark.parametrize("each", [1, pytest.param(3, marks=pytest.mark.long)])
@retried_on_stall
async def test_a_process_is_killed_and_another_told_to_stop(each: int, tmp_path: Path) -> None:
    patient = [*WHOLE[:4], PATIENT, ASK, HEAR, "hang_up"]
    drain = {"GATEWAY_DRAIN_SECONDS": "10"}
    async with running_cluster(
        tmp_path, script=script(), gateways=3, redis=True, **drain
    ) as cluster:
        killed, stopped, left = cluster.gateways
        cut_off = await cluster.calls_on(killed, patient, range(each))
        moved = await cluster.calls_on(stopped, WHOLE, range(each, 2 * each))
        await said(cluster, "lighthouse", 2 * each)
        cluster.kill(killed)
        cluster.kill(stopped, signal.SIGTERM)
        records = await asyncio.gather(*cut_off, *moved)
        assert await cluster.gateways[stopped].exited() == 0
        known = cluster.gateways[left].output
        # Callers of the killed process may reach the other one just before it stops.
        assert [one.call_sid for one in records[each:] if one.call_sid not in known] == []
    for fault, theirs, most_ms in (
        ("process SIGKILL with calls", records[:each], 3000),
        ("process SIGTERM with calls", records[each:], UNNOTICED_MS),
    ):
        spoken = await cluster.transcript({record.call_sid for record in theirs})
        result = evaluate(fault, theirs, spoken, asked=len(theirs))
        result.check(most_ms=most_ms, busy=cluster.busy)
