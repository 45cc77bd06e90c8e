"""Something breaks while people talk: nobody is lost, and the agent still knows them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from city import FALLBACK, HEARS, RECALL, TALE, City, city
from verdict import UNHEARD_MS, USUAL_MS, believed, judged

HEAR: dict[str, Any] = {"hear": {"until_silence_ms": 600, "timeout_s": 40}}
PATIENT: dict[str, Any] = {"hear": {"until_silence_ms": 2000, "timeout_s": 40}}
"""Nobody asks a question into a line that has just gone quiet."""
TELL = {"say": "My code word is heron."}
ASK = {"say": "What was it?"}
STORY = {"say": "A story!"}
WHOLE = [HEAR, TELL, HEAR, STORY, HEAR, ASK, HEAR, "hang_up"]
NOTED = [{"say": "That is noted."}]


def script(*story: dict[str, Any], **more: Any) -> dict[str, Any]:
    turns = [NOTED, list(story) or [{"say": TALE}], RECALL, RECALL, RECALL, RECALL]
    return {"hears": HEARS, "turns": turns, "think_ms": 150, "demo_turns": 90, **more}


def dialled(town: City) -> int:
    """How many callers were put through to a person."""
    calls = town.carrier.api.calls.values()
    return sum(any(FALLBACK in m.detail for m in c.line.moments) for c in calls)


async def said(town: City, words: str, times: int) -> None:
    async with asyncio.timeout(60):
        while sum(words in one["text"] for one in await town.said()) < times:
            await asyncio.sleep(0.1)


@believed
async def test_a_socket_breaks(tmp_path: Path) -> None:
    """The model's, with each code that says try again; and the caller's, in mid-word."""
    closes = [{"close": code, "times": 1} for code in (1001, 1006, 1011, 1013)]
    broken = [HEAR, TELL, HEAR, STORY, {"wait_ms": 1500}, "drop_socket", PATIENT, ASK, HEAR,
              "hang_up"]  # fmt: skip
    async with city(tmp_path, script=script({"say": TALE}, *closes, speed=1.5)) as town:
        calls = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(4)]
        await said(town, "noted", 4)
        # So late that no close is left for it.
        cut_off = await town.call(broken, 4)
        records = await asyncio.gather(*calls)
        journal = await town.said()
        assert await town.metric("model_reconnects_total") == 4
    kept = judged("model's socket closed (4 codes)", records, journal, asked=5)
    kept.holds(most_ms=1500, busy=town.busy)
    again = judged("media socket broken mid-word", [cut_off], journal, asked=1)
    again.holds(most_ms=3000, busy=town.busy)


@believed
async def test_a_process_is_killed_and_another_told_to_stop(tmp_path: Path) -> None:
    patient = [*WHOLE[:4], PATIENT, ASK, HEAR, "hang_up"]
    drain = {"GATEWAY_DRAIN_SECONDS": "10"}
    async with city(tmp_path, script=script(), gateways=3, redis=True, **drain) as town:
        killed, stopped, left = town.gateways
        cut_off = await town.calls_at(killed, patient, range(3))
        moved = await town.calls_at(stopped, WHOLE, range(3, 6))
        await said(town, "lighthouse", 6)
        town.kill(killed)
        town.kill(stopped, signal.SIGTERM)
        records = await asyncio.gather(*cut_off, *moved)
        assert await town.gateways[stopped].gone() == 0
        known = town.gateways[left].told
        # Callers of the one that was killed may come to the other one in its last moment.
        assert [one.call_sid for one in records[3:] if one.call_sid not in known] == []
    for fault, theirs, most_ms in (
        ("process SIGKILL with calls", records[:3], 3000),
        ("process SIGTERM with calls", records[3:], USUAL_MS + UNHEARD_MS),
    ):
        spoken = town.transcript({record.call_sid for record in theirs})
        verdict = judged(fault, theirs, spoken, asked=len(theirs))
        verdict.holds(most_ms=most_ms, busy=town.busy)
