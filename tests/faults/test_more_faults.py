"""The faults that take their time: `make faults`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from city import LONG, city
from test_faults import ASK, HEAR, STORY, TELL, WHOLE, dialled, said, script
from verdict import judged

pytestmark = pytest.mark.long


async def one_fault(
    tmp_path: Path, name: str, model: dict[str, Any], *, most_ms: float, calls: int = 2
) -> None:
    async with city(tmp_path, script=model) as town:
        records = await asyncio.gather(*(town.call(WHOLE, seed) for seed in range(calls)))
        verdict = judged(name, records, await town.said(), asked=calls)
    assert (verdict.lost, verdict.remembered) == (0, calls)
    assert verdict.longest_silence_ms < most_ms


async def test_the_model_falls_silent_in_mid_answer(tmp_path: Path) -> None:
    silent = script({"say": LONG}, {"stall_ms": 60_000, "times": 2}, {"say": LONG})
    await one_fault(tmp_path, "model silent", silent, most_ms=6000)


async def test_the_models_handshake_hangs(tmp_path: Path) -> None:
    hangs = script(on_connect={"hang": True, "times": 3})
    await one_fault(tmp_path, "model's handshake hangs", hangs, most_ms=1500)


async def test_the_session_expires(tmp_path: Path) -> None:
    error = {"code": "session_expired", "type": "invalid_request_error", "message": "60 minutes"}
    expires = script({"say": LONG}, {"error": error, "times": 2}, {"close": 1001, "times": 2})
    await one_fault(tmp_path, "session_expired", expires, most_ms=1500)


async def test_the_hour_goes_by_unheard(tmp_path: Path) -> None:
    steps = [*WHOLE[:-1], ASK, HEAR, ASK, HEAR, ASK, HEAR, "hang_up"]
    async with city(tmp_path, script=script(session_seconds=27)) as town:
        records = await asyncio.gather(*(town.call(steps, seed) for seed in range(2)))
        verdict = judged("the hour (27 s)", records, await town.said(), asked=8)
        assert await town.metric('model_renewed_seconds_count{cause="hour"}') >= 2
        assert await town.metric("model_reconnects_total") == 0
    assert (verdict.lost, verdict.remembered) == (0, 8)
    assert verdict.longest_silence_ms < 1000


async def test_a_fatal_error_brings_a_person(tmp_path: Path) -> None:
    error = {"code": "insufficient_quota", "type": "insufficient_quota", "message": "no"}
    steps = [HEAR, TELL, HEAR, STORY, {"wait_ms": 4000}, "hang_up"]
    async with city(tmp_path, script=script({"say": "Well."}, {"error": error})) as town:
        record = await town.call(steps)
        judged("fatal error", [record], [], asked=0)
        assert dialled(town) == 1


async def test_openai_is_down(tmp_path: Path) -> None:
    """Who talks, and who calls meanwhile, gets a person; afterwards the agent answers again."""
    wait = [HEAR, TELL, HEAR, {"wait_ms": 25_000}, "hang_up"]
    async with city(tmp_path, script=script()) as town:
        running = [asyncio.create_task(town.call(wait, seed)) for seed in range(3)]
        await said(town, "noted", 3)
        assert town.model is not None
        town.model.send(signal.SIGKILL)
        await town.model.gone()
        late = [
            asyncio.create_task(town.call([{"wait_ms": 12_000}, "hang_up"], 10 + n))
            for n in range(4)
        ]
        async with asyncio.timeout(40):
            while not await town.metric("breaker_open"):
                await asyncio.sleep(0.2)
        await asyncio.gather(town.call([{"wait_ms": 3000}, "hang_up"], 20))
        await asyncio.gather(*running, *late)
        assert dialled(town) == 8
        await town.start_model()
        async with asyncio.timeout(60):
            while await town.metric("breaker_open"):
                await asyncio.sleep(0.2)
        record = await town.call(WHOLE)
        verdict = judged("OpenAI down (8 calls to a person), then back", [record],
                         await town.said(), asked=1)  # fmt: skip
    assert (verdict.lost, verdict.remembered) == (0, 1)


async def test_a_rolling_restart_under_twenty_calls(tmp_path: Path) -> None:
    steps = [HEAR, TELL, HEAR, STORY, HEAR, STORY, HEAR, STORY, HEAR, ASK, HEAR, "hang_up"]
    turns = [[{"say": "Thank you, that is noted."}], *[[{"say": LONG}]] * 3,
             *[[{"recall": r"code word is (\w+)"}]] * 3]  # fmt: skip
    model = script() | {"turns": turns}
    drain = {"GATEWAY_DRAIN_SECONDS": "15"}
    async with city(tmp_path, script=model, gateways=3, redis=True, **drain) as town:
        running = []
        for seed in range(20):
            running.append(asyncio.create_task(town.call(steps, seed)))
            await asyncio.sleep(0.3)
        await said(town, "noted", 20)
        for port in list(town.gateways):
            await town.start_gateway(**drain)
            town.kill(port, signal.SIGTERM)
            await town.gateways[port].gone(40)
        records = await asyncio.gather(*running)
        verdict = judged("rolling restart of 3 processes", records, await town.said(), asked=20)
        assert await town.metric('resumes_total{how="handed_over"}') >= 1
    assert (verdict.lost, verdict.remembered) == (0, 20)


async def test_redis_goes_away_and_comes_back(tmp_path: Path) -> None:
    steps = [HEAR, TELL, HEAR, STORY, HEAR, {"wait_ms": 6000}, STORY, HEAR, ASK, HEAR, "hang_up"]
    async with city(tmp_path, script=script(), gateways=2, redis=True) as town:
        running = [asyncio.create_task(town.call(steps, seed)) for seed in range(2)]
        await said(town, "noted", 2)
        assert town.redis is not None
        town.redis.send(signal.SIGKILL)
        await town.redis.gone()
        await asyncio.sleep(3)
        assert await town.metric("store_errors_total") > 0
        await town.start_redis()
        await asyncio.sleep(3)
        town.kill(next(iter(town.gateways)))  # what was written again is enough to go on
        records = await asyncio.gather(*running)
        verdict = judged("Redis stopped, restarted; then SIGKILL", records, await town.said(),
                         asked=2)  # fmt: skip
    assert (verdict.lost, verdict.remembered) == (0, 2)


async def test_redis_is_slow(tmp_path: Path) -> None:
    async with city(tmp_path, script=script(), redis=True) as town:
        running = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(2)]
        await town.streaming(2)
        assert town.redis is not None
        for _ in range(6):
            town.redis.send(signal.SIGSTOP)
            await asyncio.sleep(1.0)
            town.redis.send(signal.SIGCONT)
            await asyncio.sleep(0.3)
        records = await asyncio.gather(*running)
        verdict = judged("Redis slow", records, await town.said(), asked=2)
    assert (verdict.lost, verdict.remembered) == (0, 2)
    assert verdict.longest_silence_ms < 1500


async def test_the_event_loop_stalls(tmp_path: Path) -> None:
    async with city(tmp_path, script=script()) as town:
        running = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(2)]
        await town.streaming(2)
        process = next(iter(town.gateways.values()))
        for _ in range(8):
            await asyncio.sleep(1.2)
            process.send(signal.SIGSTOP)
            await asyncio.sleep(0.3)
            process.send(signal.SIGCONT)
        records = await asyncio.gather(*running)
        verdict = judged("event loop stalled 300 ms, 8 times", records, await town.said(), asked=2)
    assert (verdict.lost, verdict.remembered) == (0, 2)
    assert verdict.longest_silence_ms < 1500


async def test_the_disk_is_full(tmp_path: Path) -> None:
    """Nothing that is written can be written, logs included."""
    async with city(tmp_path, script=script(), gateways=0) as town:
        await town.start_gateway(log="/dev/full", GATEWAY_LOG_LEVEL="debug")
        record = await town.call(WHOLE)
        verdict = judged("disk full", [record], await town.said(), asked=1)
    assert (verdict.lost, verdict.remembered) == (0, 1)


async def test_two_stops_in_a_row(tmp_path: Path) -> None:
    async with city(tmp_path, script=script(), gateways=2, redis=True) as town:
        running = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(4)]
        await said(town, "noted", 4)
        first = next(iter(town.gateways.values()))
        first.send(signal.SIGTERM)
        first.send(signal.SIGTERM)
        records = await asyncio.gather(*running)
        verdict = judged("two stops in a row", records, await town.said(), asked=4)
        assert await first.gone(15) == 0
    assert (verdict.lost, verdict.remembered) == (0, 4)


async def test_a_webhook_is_retried(tmp_path: Path) -> None:
    """The carrier asks twice with the same token: one call, one answer."""
    async with city(tmp_path, script=script(), gateways=2, redis=True) as town:
        webhooks = town.carrier.webhooks
        token = {"I-Twilio-Idempotency-Token": "one-and-the-same"}
        fields = {"CallSid": "CA" + "7" * 32, "AccountSid": webhooks.account.sid,
                  "From": "+15550111", "To": "+15550100", "CallStatus": "ringing",
                  "Direction": "inbound", "ApiVersion": "2010-04-01"}  # fmt: skip
        url = webhooks.reach.webhook("/twilio/voice")
        answers = [(await webhooks._send(url, fields, "POST", token)).text for _ in range(4)]
        assert len(set(answers)) == 1
        assert await town.metric('calls_active{path="media-streams",state="expected"}') == 1
