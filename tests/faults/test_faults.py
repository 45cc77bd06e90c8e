"""Something breaks while people talk: nobody is lost, and the agent still knows them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from city import FALLBACK, HEARS, LONG, RECALL, City, city
from verdict import judged

HEAR: dict[str, Any] = {"hear": {"until_silence_ms": 600, "timeout_s": 40}}
PATIENT: dict[str, Any] = {"hear": {"until_silence_ms": 2000, "timeout_s": 40}}
"""Nobody asks a question into a line that has just gone quiet."""
TELL = {"say": "My code word is heron."}
ASK = {"say": "What is it that I told you?"}
STORY = {"say": "Tell me a story."}
WHOLE = [HEAR, TELL, HEAR, STORY, HEAR, ASK, HEAR, "hang_up"]
NOTED = [{"say": "Thank you, that is noted."}]


def script(*story: dict[str, Any], **more: Any) -> dict[str, Any]:
    turns = [NOTED, list(story) or [{"say": LONG}], RECALL, RECALL, RECALL, RECALL]
    return {"hears": HEARS, "turns": turns, "think_ms": 150, "demo_turns": 90, **more}


def dialled(town: City) -> int:
    """How many callers were put through to a person."""
    calls = town.carrier.api.calls.values()
    return sum(any(FALLBACK in m.detail for m in c.line.moments) for c in calls)


async def test_the_models_socket_is_closed(tmp_path: Path) -> None:
    closes = [{"close": code, "times": 1} for code in (1001, 1006, 1011, 1013)]
    async with city(tmp_path, script=script({"say": LONG}, *closes, speed=1.5)) as town:
        calls = [town.call(WHOLE, seed) for seed in range(4)]
        records = await asyncio.gather(*calls)
        verdict = judged("model's socket closed (4 codes)", records, await town.said(), asked=4)
        assert await town.metric("model_reconnects_total") == 4
    assert (verdict.lost, verdict.remembered) == (0, 4)
    assert verdict.longest_silence_ms < 1500


async def test_the_process_is_killed(tmp_path: Path) -> None:
    steps = [HEAR, TELL, HEAR, STORY, {"wait_ms": 2500}, PATIENT, ASK, HEAR, "hang_up"]
    async with city(tmp_path, script=script(), gateways=2, redis=True) as town:
        running = [asyncio.create_task(town.call(steps, seed)) for seed in range(4)]
        await town.streaming(4)
        await said(town, "noted", 4)
        await asyncio.sleep(3.5)  # in mid-story
        town.kill(next(iter(town.gateways)))
        records = await asyncio.gather(*running)
        verdict = judged("process SIGKILL with calls", records, await town.said(), asked=4)
        assert await town.metric('resumes_total{how="announced"}') >= 1
    assert (verdict.lost, verdict.remembered) == (0, 4)
    assert verdict.longest_silence_ms < 3000


async def said(town: City, words: str, times: int) -> None:
    async with asyncio.timeout(60):
        while sum(words in one["text"] for one in await town.said()) < times:
            await asyncio.sleep(0.1)


async def test_the_callers_socket_breaks_in_mid_word(tmp_path: Path) -> None:
    steps = [
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
    async with city(tmp_path, script=script()) as town:
        record = await town.call(steps)
        verdict = judged("media socket broken mid-word", [record], await town.said(), asked=1)
    assert (verdict.lost, verdict.remembered) == (0, 1)
    assert verdict.longest_silence_ms < 3000


async def test_the_process_is_told_to_stop(tmp_path: Path) -> None:
    drain = {"GATEWAY_DRAIN_SECONDS": "12"}
    async with city(tmp_path, script=script(), gateways=2, redis=True, **drain) as town:
        baseline = await town.call(WHOLE)
        usual = judged("(nothing breaks)", [baseline], await town.said(), asked=1)
        running = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(4)]
        await said(town, "noted", 5)
        port, first = next(iter(town.gateways.items()))
        town.kill(port, signal.SIGTERM)
        records = await asyncio.gather(*running)
        verdict = judged("process SIGTERM with calls", records, await town.said(), asked=5)
        assert await first.gone() == 0
        assert "draining" in first.told
        assert await town.metric('resumes_total{how="handed_over"}') >= 1
    assert (verdict.lost, verdict.remembered) == (0, 5)
    assert verdict.longest_silence_ms < usual.longest_silence_ms + 300
