"""Faults whose tests take long: `make faults`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from cluster import AGENTS, FALLBACK, LONG, RECALL, STORE_KEY, TALE, running_cluster
from fault_result import UNNOTICED_MS, evaluate, retried_on_stall
from redis_end import redis_name, running_redis
from test_faults import ASK, HEAR, NOTED, PATIENT, STORY, TELL, WHOLE, said, script, transferred

pytestmark = pytest.mark.long

PERSON = {FALLBACK: {"answers_after_s": 0.5, "says": "Good day, how can I help you?"}}
HEAR_A_PERSON = {"hear": {"who": FALLBACK, "until_silence_ms": 400, "timeout_s": 60}}


async def one_fault(
    tmp_path: Path, name: str, model: dict[str, Any], *, most_ms: float, calls: int = 2
) -> None:
    async with running_cluster(tmp_path, script=model) as cluster:
        records = await asyncio.gather(*(cluster.call(WHOLE, seed) for seed in range(calls)))
        result = evaluate(name, records, await cluster.said(), asked=calls)
    result.check(most_ms=most_ms, busy=cluster.busy)


# --- The model ---


@retried_on_stall
async def test_the_model_falls_silent_in_mid_answer(tmp_path: Path) -> None:
    silent = script({"say": TALE}, {"stall_ms": 60_000, "times": 2}, {"say": LONG}, speed=1.5)
    await one_fault(tmp_path, "model silent", silent, most_ms=6000)


@retried_on_stall
async def test_the_models_handshake_hangs(tmp_path: Path) -> None:
    """The handshake hangs when the gateway reconnects after a closed socket."""
    closes = [{"close": 1006, "times": 2}]
    async with running_cluster(
        tmp_path, script=script({"say": LONG}, *closes, speed=1.5)
    ) as cluster:
        running = [asyncio.create_task(cluster.call(WHOLE, seed)) for seed in range(2)]
        await said(cluster, "noted", 2)
        assert cluster.model is not None
        await asyncio.sleep(4)  # in mid-story
        cluster.model.send(signal.SIGSTOP)  # accepts connections, and answers none
        await asyncio.sleep(4)
        cluster.model.send(signal.SIGCONT)
        records = await asyncio.gather(*running)
        result = evaluate("model's handshake hangs, 4 s", records, await cluster.said(), asked=2)
    result.check(most_ms=8000, busy=cluster.busy)


@retried_on_stall
async def test_the_session_expires(tmp_path: Path) -> None:
    error = {"code": "session_expired", "type": "invalid_request_error", "message": "60 minutes"}
    ends = [{"error": error, "times": 2}, {"close": 1001, "times": 2}]
    expires = script({"say": TALE}, *ends, speed=1.5)
    await one_fault(tmp_path, "session_expired", expires, most_ms=1500)


@retried_on_stall
async def test_the_hour_goes_by_unheard(tmp_path: Path) -> None:
    steps = [*WHOLE[:-1], ASK, HEAR, ASK, HEAR, ASK, HEAR, "hang_up"]
    async with running_cluster(
        tmp_path, script=script({"say": LONG}, session_seconds=24)
    ) as cluster:
        records = await asyncio.gather(*(cluster.call(steps, seed) for seed in range(2)))
        result = evaluate("the hour (24 s)", records, await cluster.said(), asked=8)
        assert await cluster.metric('model_renewed_seconds_count{cause="hour"}') >= 2
        assert await cluster.metric("model_reconnects_total") == 0
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)


async def test_a_fatal_error_brings_a_person(tmp_path: Path) -> None:
    error = {"code": "insufficient_quota", "type": "insufficient_quota", "message": "no"}
    steps = [HEAR, TELL, HEAR, STORY, HEAR_A_PERSON, "hang_up"]
    async with running_cluster(
        tmp_path, script=script({"say": "Well."}, {"error": error})
    ) as cluster:
        record = await cluster.call(steps, people=PERSON)
        result = evaluate("fatal error: a person", [record], [], asked=0)
        assert transferred(cluster) == 1
    result.check(most_ms=4000, busy=cluster.busy)


async def test_openai_is_down(tmp_path: Path) -> None:
    """Running and new callers get a person; afterwards the agent answers again."""
    talking = [HEAR, TELL, HEAR, HEAR_A_PERSON, "hang_up"]
    async with running_cluster(tmp_path, script=script()) as cluster:
        running = [
            asyncio.create_task(cluster.call(talking, seed, people=PERSON)) for seed in range(3)
        ]
        await said(cluster, "noted", 3)
        assert cluster.model is not None
        cluster.model.send(signal.SIGKILL)
        await cluster.model.exited()
        calling = [HEAR_A_PERSON, "hang_up"]
        running += [
            asyncio.create_task(cluster.call(calling, 10 + n, people=PERSON)) for n in range(4)
        ]
        async with asyncio.timeout(60):
            while not await cluster.metric("breaker_open"):
                await asyncio.sleep(0.2)
        late = await cluster.call(calling, 20, people=PERSON)
        records = [*await asyncio.gather(*running), late]
        assert transferred(cluster) == 8
        result = evaluate("OpenAI down: a person", records, [], asked=0)
        result.check(most_ms=60_000)
        straight = evaluate("OpenAI known to be down: a person", [late], [], asked=0)
        straight.check(most_ms=2000, busy=cluster.busy)
        await cluster.start_model()
        async with asyncio.timeout(90):
            while await cluster.metric("breaker_open"):
                await asyncio.sleep(0.2)
        record = await cluster.call(WHOLE)
        result = evaluate("OpenAI is back", [record], await cluster.said(), asked=1)
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)


# --- The carrier ---


@retried_on_stall
async def test_twilio_reads_slowly(tmp_path: Path) -> None:
    """The carrier reads nothing of one call's sound for 4 s, and then everything."""
    async with running_cluster(tmp_path, script=script({"say": LONG})) as cluster:
        slow = asyncio.create_task(cluster.call(WHOLE, 0))
        await cluster.wait_for_streams(1)
        others = [asyncio.create_task(cluster.call(WHOLE, seed)) for seed in range(1, 4)]
        await said(cluster, "lighthouse", 4)
        (stream,) = next(iter(cluster.carrier.api.calls.values())).streams
        stream.pause_reading()
        await asyncio.sleep(4)
        stream.resume_reading()
        records = await asyncio.gather(slow, *others)
        journal = await cluster.said()
        result = evaluate("slow Twilio reader, 4 s", records[:1], journal, asked=1)
        unharmed = evaluate("(the other calls meanwhile)", records[1:], journal, asked=3)
    result.check(most_ms=6000, busy=cluster.busy)
    unharmed.check(most_ms=UNNOTICED_MS, busy=cluster.busy)


async def test_a_webhook_is_retried(tmp_path: Path) -> None:
    """The carrier retries with the same token at any process: one call, one answer."""
    async with running_cluster(tmp_path, script=script(), gateways=2, redis=True) as cluster:
        webhooks = cluster.carrier.webhooks
        token = {"I-Twilio-Idempotency-Token": "one-and-the-same"}
        fields = {
            "CallSid": "CA" + "7" * 32,
            "AccountSid": webhooks.account.sid,
            "From": "+15550111",
            "To": "+15550100",
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }
        url = webhooks.reach.webhook("/twilio/voice")
        answers = [(await webhooks.send(url, fields, "POST", token)).text for _ in range(4)]
        assert len(set(answers)) == 1
        assert await cluster.metric('calls_active{path="media-streams",state="expected"}') == 1


# --- Processes ---


async def test_a_rolling_restart_under_twenty_calls(tmp_path: Path) -> None:
    story = [STORY, HEAR]
    steps = [HEAR, TELL, HEAR, *story, *story, *story, ASK, HEAR, "hang_up"]
    turns = [NOTED, *[[{"say": LONG}]] * 3, *[RECALL] * 3]
    drain = {"GATEWAY_DRAIN_SECONDS": "15"}
    model = script() | {"turns": turns}
    async with running_cluster(tmp_path, script=model, gateways=3, redis=True, **drain) as cluster:
        running = []
        for seed in range(20):
            running.append(asyncio.create_task(cluster.call(steps, seed)))
            await asyncio.sleep(0.3)
        await said(cluster, "noted", 20)
        for port in list(cluster.gateways):
            await cluster.start_gateway(**drain)
            cluster.kill(port, signal.SIGTERM)
            await cluster.gateways[port].exited(60)
        records = await asyncio.gather(*running)
        result = evaluate("rolling restart of 3 processes", records, await cluster.said(), asked=20)
    result.check(most_ms=3000, busy=cluster.busy)


@retried_on_stall
async def test_two_stops_in_a_row(tmp_path: Path) -> None:
    patient = [*WHOLE[:4], PATIENT, ASK, HEAR, "hang_up"]
    async with running_cluster(tmp_path, script=script(), gateways=2, redis=True) as cluster:
        running = [asyncio.create_task(cluster.call(patient, seed)) for seed in range(4)]
        await said(cluster, "lighthouse", 4)
        first = next(iter(cluster.gateways.values()))
        first.send(signal.SIGTERM)
        first.send(signal.SIGTERM)
        records = await asyncio.gather(*running)
        result = evaluate("two stops in a row", records, await cluster.said(), asked=4)
        assert await first.exited(15) == 0
    result.check(most_ms=3000, busy=cluster.busy)


@retried_on_stall
async def test_sip_calls_outlive_their_process(tmp_path: Path) -> None:
    """Only the process with the sideband can end the call for the agent."""
    agents = {**AGENTS, "agents": {"desk": AGENTS["agents"]["desk"] | {"path": "sip"}}}
    ends = [*RECALL, {"call": {"name": "end_call"}}]
    model = script() | {"turns": [NOTED, [{"say": LONG}], ends, ends]}
    steps = [*WHOLE[:6], {"expect_hang_up": {"timeout_s": 30}}]
    drain = {"GATEWAY_DRAIN_SECONDS": "10"}
    async with running_cluster(
        tmp_path, script=model, gateways=3, redis=True, sip=True, agents=agents, **drain
    ) as cluster:
        killed, stopped, _ = cluster.gateways
        cut_off = await cluster.calls_on(killed, steps, range(2))
        moved = await cluster.calls_on(stopped, steps, range(2, 4))
        await said(cluster, "lighthouse", 4)
        cluster.kill(killed)
        cluster.kill(stopped, signal.SIGTERM)
        records = await asyncio.gather(*cut_off, *moved)
        assert await cluster.gateways[stopped].exited() == 0
        assert await cluster.metric('resumes_total{how="adopted"}') == 4
        journal = await cluster.said()
    for fault, theirs in (("SIP: process SIGKILL", records[:2]), ("SIP: SIGTERM", records[2:])):
        evaluate(fault, theirs, journal, asked=2).check(most_ms=UNNOTICED_MS, busy=cluster.busy)


# --- Store, event loop, disk, clock ---


@retried_on_stall
async def test_redis_goes_away_and_comes_back(tmp_path: Path) -> None:
    wait = {"wait_ms": 6000}
    steps = [HEAR, TELL, HEAR, STORY, HEAR, wait, STORY, PATIENT, ASK, HEAR, "hang_up"]
    async with running_cluster(tmp_path, script=script(), gateways=2, redis=True) as cluster:
        running = [asyncio.create_task(cluster.call(steps, seed)) for seed in range(2)]
        await said(cluster, "noted", 2)
        assert cluster.redis is not None
        cluster.redis.send(signal.SIGKILL)
        await cluster.redis.exited()
        await asyncio.sleep(3)
        assert await cluster.metric("store_errors_total") > 0
        await cluster.start_redis()
        await asyncio.sleep(3)
        cluster.kill(next(iter(cluster.gateways)))  # the states written since are enough to resume
        records = await asyncio.gather(*running)
        result = evaluate(
            "Redis stopped, restarted; then SIGKILL", records, await cluster.said(), asked=2
        )
    result.check(most_ms=3000, busy=cluster.busy)


@retried_on_stall
async def test_the_primary_of_redis_becomes_a_replica(tmp_path: Path) -> None:
    await replica_takes_over(tmp_path, killed=False)


@retried_on_stall
async def test_the_primary_of_redis_is_killed(tmp_path: Path) -> None:
    await replica_takes_over(tmp_path, killed=True)


async def replica_takes_over(tmp_path: Path, *, killed: bool) -> None:
    """Then a process is killed: what the other one resumes by is in the new primary."""
    wait = {"wait_ms": 6000}
    steps = [HEAR, TELL, HEAR, wait, STORY, HEAR, STORY, PATIENT, ASK, HEAR, "hang_up"]
    async with running_redis() as primary, running_redis() as replica, redis_name(primary) as name:
        async with replica.admin() as admin:
            await admin.execute_command("REPLICAOF", "127.0.0.1", str(primary.port))
        store = {
            "GATEWAY_STORE": f"redis://127.0.0.1:{name.port}/0",
            "GATEWAY_STORE_KEY": STORE_KEY,
        }
        async with running_cluster(tmp_path, script=script(), gateways=2, **store) as cluster:
            first = next(iter(cluster.gateways))
            running = await cluster.calls_on(first, steps, range(2))
            await said(cluster, "noted", 2)
            if killed:
                primary.process.kill()
            else:
                async with primary.admin() as admin:
                    await admin.execute_command("REPLICAOF", "127.0.0.1", str(replica.port))
            name.to = replica
            await cluster.until_metric("store_errors_total", 1)
            async with replica.admin() as admin:
                await admin.execute_command("REPLICAOF", "NO", "ONE")
            await cluster.until_logged(first, "store_available")
            await said(cluster, "lighthouse", 2)  # states were written since
            cluster.kill(first)
            records = await asyncio.gather(*running)
            result = evaluate(
                f"Redis replica takes over ({'killed' if killed else 'demoted'}); then SIGKILL",
                records,
                await cluster.said(),
                asked=2,
            )
    result.check(most_ms=3000, busy=cluster.busy)


@retried_on_stall
async def test_redis_is_slow(tmp_path: Path) -> None:
    async with running_cluster(tmp_path, script=script({"say": LONG}), redis=True) as cluster:
        running = [asyncio.create_task(cluster.call(WHOLE, seed)) for seed in range(2)]
        await cluster.wait_for_streams(2)
        assert cluster.redis is not None
        for _ in range(6):
            cluster.redis.send(signal.SIGSTOP)
            await asyncio.sleep(1.0)
            cluster.redis.send(signal.SIGCONT)
            await asyncio.sleep(0.3)
        records = await asyncio.gather(*running)
        result = evaluate("Redis slow", records, await cluster.said(), asked=2)
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)


@retried_on_stall
async def test_the_event_loop_stalls(tmp_path: Path) -> None:
    async with running_cluster(tmp_path, script=script({"say": LONG})) as cluster:
        running = [asyncio.create_task(cluster.call(WHOLE, seed)) for seed in range(2)]
        await cluster.wait_for_streams(2)
        process = next(iter(cluster.gateways.values()))
        for _ in range(8):
            await asyncio.sleep(1.2)
            process.send(signal.SIGSTOP)
            await asyncio.sleep(0.3)
            process.send(signal.SIGCONT)
        records = await asyncio.gather(*running)
        result = evaluate(
            "event loop stalled 300 ms, 8 times", records, await cluster.said(), asked=2
        )
    result.check(most_ms=1500, busy=cluster.busy)


@retried_on_stall
async def test_the_disk_is_full(tmp_path: Path) -> None:
    """Neither logs nor records can be written; the record waits in memory for a disk."""
    blocked = tmp_path / "no-directory"
    blocked.write_text("")
    async with running_cluster(tmp_path, script=script(), gateways=0) as cluster:
        await cluster.start_gateway(
            log="/dev/full", GATEWAY_LOG_LEVEL="debug", GATEWAY_DATA_DIR=str(blocked / "data")
        )
        record = await cluster.call(WHOLE)
        result = evaluate("disk full", [record], await cluster.said(), asked=1)
        async with asyncio.timeout(30):
            while not await cluster.metric("records_waiting"):
                await asyncio.sleep(0.1)
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)


@retried_on_stall
async def test_the_clock_jumps(tmp_path: Path) -> None:
    """The wall clock moves ahead by an hour during a call, and back by two."""
    wrong_by = tmp_path / "wrong_by_s"
    wrong_by.write_text("0")
    path = f"{Path(__file__).parent / 'clock'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    clock = {"PYTHONPATH": path, "FAULTS_CLOCK": str(wrong_by)}
    async with running_cluster(
        tmp_path, script=script({"say": LONG}), redis=True, **clock
    ) as cluster:
        running = [asyncio.create_task(cluster.call(WHOLE, seed)) for seed in range(2)]
        await said(cluster, "noted", 2)
        wrong_by.write_text("3600")
        running.append(asyncio.create_task(cluster.call(WHOLE, 2)))
        await cluster.wait_for_streams(3)
        await asyncio.sleep(2)
        wrong_by.write_text("-3600")
        records = await asyncio.gather(*running)
        result = evaluate(
            "clock jumps by an hour, and by two", records, await cluster.said(), asked=3
        )
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)
