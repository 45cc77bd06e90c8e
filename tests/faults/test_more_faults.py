"""The faults that take their time: `make faults`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from city import AGENTS, FALLBACK, LONG, RECALL, TALE, city
from test_faults import ASK, HEAR, NOTED, PATIENT, STORY, TELL, WHOLE, dialled, said, script
from verdict import UNHEARD_MS, USUAL_MS, believed, judged

pytestmark = pytest.mark.long

UNNOTICED_MS = USUAL_MS + UNHEARD_MS
PERSON = {FALLBACK: {"answers_after_s": 0.5, "says": "Good day, how can I help you?"}}
HEAR_A_PERSON = {"hear": {"who": FALLBACK, "until_silence_ms": 400, "timeout_s": 60}}


async def one_fault(
    tmp_path: Path, name: str, model: dict[str, Any], *, most_ms: float, calls: int = 2
) -> None:
    async with city(tmp_path, script=model) as town:
        records = await asyncio.gather(*(town.call(WHOLE, seed) for seed in range(calls)))
        verdict = judged(name, records, await town.said(), asked=calls)
    verdict.holds(most_ms=most_ms, busy=town.busy)


# --- The model ---


@believed
async def test_the_model_falls_silent_in_mid_answer(tmp_path: Path) -> None:
    silent = script({"say": TALE}, {"stall_ms": 60_000, "times": 2}, {"say": LONG}, speed=1.5)
    await one_fault(tmp_path, "model silent", silent, most_ms=6000)


@believed
async def test_the_models_handshake_hangs(tmp_path: Path) -> None:
    """When it is to be had again, after its socket was closed."""
    closes = [{"close": 1006, "times": 2}]
    async with city(tmp_path, script=script({"say": LONG}, *closes, speed=1.5)) as town:
        running = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(2)]
        await said(town, "noted", 2)
        assert town.model is not None
        await asyncio.sleep(4)  # in mid-story
        town.model.send(signal.SIGSTOP)  # accepts connections, and answers none
        await asyncio.sleep(4)
        town.model.send(signal.SIGCONT)
        records = await asyncio.gather(*running)
        verdict = judged("model's handshake hangs, 4 s", records, await town.said(), asked=2)
    verdict.holds(most_ms=8000, busy=town.busy)


@believed
async def test_the_session_expires(tmp_path: Path) -> None:
    error = {"code": "session_expired", "type": "invalid_request_error", "message": "60 minutes"}
    ends = [{"error": error, "times": 2}, {"close": 1001, "times": 2}]
    expires = script({"say": TALE}, *ends, speed=1.5)
    await one_fault(tmp_path, "session_expired", expires, most_ms=1500)


@believed
async def test_the_hour_goes_by_unheard(tmp_path: Path) -> None:
    steps = [*WHOLE[:-1], ASK, HEAR, ASK, HEAR, ASK, HEAR, "hang_up"]
    async with city(tmp_path, script=script({"say": LONG}, session_seconds=24)) as town:
        records = await asyncio.gather(*(town.call(steps, seed) for seed in range(2)))
        verdict = judged("the hour (24 s)", records, await town.said(), asked=8)
        assert await town.metric('model_renewed_seconds_count{cause="hour"}') >= 2
        assert await town.metric("model_reconnects_total") == 0
    verdict.holds(most_ms=UNNOTICED_MS, busy=town.busy)


async def test_a_fatal_error_brings_a_person(tmp_path: Path) -> None:
    error = {"code": "insufficient_quota", "type": "insufficient_quota", "message": "no"}
    steps = [HEAR, TELL, HEAR, STORY, HEAR_A_PERSON, "hang_up"]
    async with city(tmp_path, script=script({"say": "Well."}, {"error": error})) as town:
        record = await town.call(steps, people=PERSON)
        verdict = judged("fatal error: a person", [record], [], asked=0)
        assert dialled(town) == 1
    verdict.holds(most_ms=4000, busy=town.busy)


async def test_openai_is_down(tmp_path: Path) -> None:
    """Who talks, and who calls meanwhile, gets a person; afterwards the agent answers again."""
    talking = [HEAR, TELL, HEAR, HEAR_A_PERSON, "hang_up"]
    async with city(tmp_path, script=script()) as town:
        running = [
            asyncio.create_task(town.call(talking, seed, people=PERSON)) for seed in range(3)
        ]
        await said(town, "noted", 3)
        assert town.model is not None
        town.model.send(signal.SIGKILL)
        await town.model.gone()
        calling = [HEAR_A_PERSON, "hang_up"]
        running += [
            asyncio.create_task(town.call(calling, 10 + n, people=PERSON)) for n in range(4)
        ]
        async with asyncio.timeout(60):
            while not await town.metric("breaker_open"):
                await asyncio.sleep(0.2)
        late = await town.call(calling, 20, people=PERSON)
        records = [*await asyncio.gather(*running), late]
        assert dialled(town) == 8
        verdict = judged("OpenAI down: a person", records, [], asked=0)
        verdict.holds(most_ms=60_000)
        straight = judged("OpenAI known to be down: a person", [late], [], asked=0)
        straight.holds(most_ms=2000, busy=town.busy)
        await town.start_model()
        async with asyncio.timeout(90):
            while await town.metric("breaker_open"):
                await asyncio.sleep(0.2)
        record = await town.call(WHOLE)
        verdict = judged("OpenAI is back", [record], await town.said(), asked=1)
    verdict.holds(most_ms=UNNOTICED_MS, busy=town.busy)


# --- The carrier ---


@believed
async def test_twilio_reads_slowly(tmp_path: Path) -> None:
    """For 4 s it takes nothing of one call's sound, and then all that lies there."""
    async with city(tmp_path, script=script({"say": LONG})) as town:
        slow = asyncio.create_task(town.call(WHOLE, 0))
        await town.streaming(1)
        others = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(1, 4)]
        await said(town, "lighthouse", 4)
        (stream,) = next(iter(town.carrier.api.calls.values())).streams
        assert stream._socket is not None
        stream._socket.transport.pause_reading()
        await asyncio.sleep(4)
        stream._socket.transport.resume_reading()
        records = await asyncio.gather(slow, *others)
        journal = await town.said()
        verdict = judged("slow Twilio reader, 4 s", records[:1], journal, asked=1)
        unharmed = judged("(the other calls meanwhile)", records[1:], journal, asked=3)
    verdict.holds(most_ms=6000, busy=town.busy)
    unharmed.holds(most_ms=UNNOTICED_MS, busy=town.busy)


async def test_a_webhook_is_retried(tmp_path: Path) -> None:
    """The carrier asks again with the same token, of whichever process: one call, one answer."""
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


# --- Processes ---


async def test_a_rolling_restart_under_twenty_calls(tmp_path: Path) -> None:
    story = [STORY, HEAR]
    steps = [HEAR, TELL, HEAR, *story, *story, *story, ASK, HEAR, "hang_up"]
    turns = [NOTED, *[[{"say": LONG}]] * 3, *[RECALL] * 3]
    drain = {"GATEWAY_DRAIN_SECONDS": "15"}
    model = script() | {"turns": turns}
    async with city(tmp_path, script=model, gateways=3, redis=True, **drain) as town:
        running = []
        for seed in range(20):
            running.append(asyncio.create_task(town.call(steps, seed)))
            await asyncio.sleep(0.3)
        await said(town, "noted", 20)
        for port in list(town.gateways):
            await town.start_gateway(**drain)
            town.kill(port, signal.SIGTERM)
            await town.gateways[port].gone(60)
        records = await asyncio.gather(*running)
        verdict = judged("rolling restart of 3 processes", records, await town.said(), asked=20)
    verdict.holds(most_ms=3000, busy=town.busy)


@believed
async def test_two_stops_in_a_row(tmp_path: Path) -> None:
    patient = [*WHOLE[:4], PATIENT, ASK, HEAR, "hang_up"]
    async with city(tmp_path, script=script(), gateways=2, redis=True) as town:
        running = [asyncio.create_task(town.call(patient, seed)) for seed in range(4)]
        await said(town, "lighthouse", 4)
        first = next(iter(town.gateways.values()))
        first.send(signal.SIGTERM)
        first.send(signal.SIGTERM)
        records = await asyncio.gather(*running)
        verdict = judged("two stops in a row", records, await town.said(), asked=4)
        assert await first.gone(15) == 0
    verdict.holds(most_ms=3000, busy=town.busy)


@believed
async def test_sip_calls_outlive_their_process(tmp_path: Path) -> None:
    """Only who has the sideband can end the call when the agent says so."""
    agents = {**AGENTS, "agents": {"desk": AGENTS["agents"]["desk"] | {"path": "sip"}}}
    ends = [*RECALL, {"call": {"name": "end_call"}}]
    model = script() | {"turns": [NOTED, [{"say": LONG}], ends, ends]}
    steps = [*WHOLE[:6], {"expect_hang_up": {"timeout_s": 30}}]
    drain = {"GATEWAY_DRAIN_SECONDS": "10"}
    async with city(
        tmp_path, script=model, gateways=3, redis=True, sip=True, agents=agents, **drain
    ) as town:
        killed, stopped, _ = town.gateways
        cut_off = await town.calls_at(killed, steps, range(2))
        moved = await town.calls_at(stopped, steps, range(2, 4))
        await said(town, "lighthouse", 4)
        town.kill(killed)
        town.kill(stopped, signal.SIGTERM)
        records = await asyncio.gather(*cut_off, *moved)
        assert await town.gateways[stopped].gone() == 0
        assert await town.metric('resumes_total{how="adopted"}') == 4
        journal = await town.said()
    for fault, theirs in (("SIP: process SIGKILL", records[:2]), ("SIP: SIGTERM", records[2:])):
        judged(fault, theirs, journal, asked=2).holds(most_ms=UNNOTICED_MS, busy=town.busy)


# --- What they stand on ---


@believed
async def test_redis_goes_away_and_comes_back(tmp_path: Path) -> None:
    wait = {"wait_ms": 6000}
    steps = [HEAR, TELL, HEAR, STORY, HEAR, wait, STORY, PATIENT, ASK, HEAR, "hang_up"]
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
    verdict.holds(most_ms=3000, busy=town.busy)


@believed
async def test_redis_is_slow(tmp_path: Path) -> None:
    async with city(tmp_path, script=script({"say": LONG}), redis=True) as town:
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
    verdict.holds(most_ms=UNNOTICED_MS, busy=town.busy)


@believed
async def test_the_event_loop_stalls(tmp_path: Path) -> None:
    async with city(tmp_path, script=script({"say": LONG})) as town:
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
    verdict.holds(most_ms=1500, busy=town.busy)


@believed
async def test_the_disk_is_full(tmp_path: Path) -> None:
    """Nothing that is written can be written: no log, and no record."""
    blocked = tmp_path / "no-directory"
    blocked.write_text("")
    async with city(tmp_path, script=script(), gateways=0) as town:
        await town.start_gateway(
            log="/dev/full", GATEWAY_LOG_LEVEL="debug", GATEWAY_DATA_DIR=str(blocked / "data")
        )
        record = await town.call(WHOLE)
        verdict = judged("disk full", [record], await town.said(), asked=1)
        async with asyncio.timeout(30):
            while not await town.metric("records_lost_total"):
                await asyncio.sleep(0.1)
    verdict.holds(most_ms=UNNOTICED_MS, busy=town.busy)


@believed
async def test_the_clock_jumps(tmp_path: Path) -> None:
    """An hour ahead in mid-call, and back by two: only what has a date may mind."""
    wrong_by = tmp_path / "wrong_by_s"
    wrong_by.write_text("0")
    path = f"{Path(__file__).parent / 'clock'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    clock = {"PYTHONPATH": path, "FAULTS_CLOCK": str(wrong_by)}
    async with city(tmp_path, script=script({"say": LONG}), redis=True, **clock) as town:
        running = [asyncio.create_task(town.call(WHOLE, seed)) for seed in range(2)]
        await said(town, "noted", 2)
        wrong_by.write_text("3600")
        running.append(asyncio.create_task(town.call(WHOLE, 2)))
        await town.streaming(3)
        await asyncio.sleep(2)
        wrong_by.write_text("-3600")
        records = await asyncio.gather(*running)
        verdict = judged("clock jumps by an hour, and by two", records, await town.said(), asked=3)
    verdict.holds(most_ms=UNNOTICED_MS, busy=town.busy)
