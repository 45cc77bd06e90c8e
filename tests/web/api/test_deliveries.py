"""What is to be delivered is listed, and sent again, over the API; a call's events arrive."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway_calls import QUIET, RECEPTION, token_in
from http_end import HttpEnd, http_end
from redis_end import running_redis
from running_gateway import GatewayRig, running_gateway
from standardwebhooks import Webhook

from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import Tuning

TOKEN = "a-token-of-the-operators"
SECRET = "whsec_bmV3IHNlY3JldA=="


async def test_a_calls_events_arrive_and_what_is_parked_is_sent_again(
    agents_file: Path, model: ModelServer, tmp_path: Path
) -> None:
    async with http_end() as receiver:
        receiver.answers["/events"] = (410, {}, b"")
        more = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_DATA_DIR": str(tmp_path),
            "GATEWAY_EVENTS_URL": f"{receiver.url}/events",
            "GATEWAY_EVENTS_SECRET": SECRET,
        }
        async with (
            running_gateway(agents_file, model, **more) as rig,
            httpx2.AsyncClient(
                verify=False,
                base_url=rig.url,
                headers={"Authorization": f"Bearer {TOKEN}"},
                trust_env=False,
                timeout=10.0,
            ) as client,
        ):
            async with rig.carrier.call(RECEPTION) as stream:
                await rig.note(events.FirstAudioSent)
                await stream.stop()
                await rig.note(events.CallEnded)
            async with asyncio.timeout(30):
                while True:
                    answer = await client.get("/api/deliveries?state=parked&limit=10")
                    parked = answer.json()["deliveries"]
                    if len(parked) == 2:
                        break
                    await asyncio.sleep(0.05)
            assert [one["type"] for one in parked] == ["call.ended", "call.started"]
            assert {one["call"] for one in parked} == {stream.call_sid}
            del receiver.answers["/events"]
            for one in reversed(parked):
                answer = await client.post(f"/api/deliveries/{one['id']}/retry")
                assert answer.status_code == 202
            async with asyncio.timeout(30):
                while len(receiver.seen) < 4:  # noqa: ASYNC110 - the far end does not say
                    await asyncio.sleep(0.05)
            assert (await client.post("/api/deliveries/msg_none/retry")).status_code == 404
            assert (await client.get("/api/deliveries?state=lost")).status_code == 422
            assert (await client.get("/api/deliveries?limit=0")).status_code == 422
            told = (await client.get(f"/api/calls/{stream.call_sid}")).json()
        arrived = {json.loads(one.body)["type"]: one for one in receiver.seen[2:]}
        ended = Webhook(SECRET).verify(arrived["call.ended"].body, arrived["call.ended"].headers)
        assert ended["data"]["record"] == told
        assert "call.started" in arrived


async def broken(rig: GatewayRig) -> str:
    """A call whose stream breaks."""
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.CallerConnected, of=stream.call_sid)
        stream.socket.transport.abort()
        ended = await rig.note(events.CallEnded, of=stream.call_sid)
    assert ended.ending is Ending.MEDIA_BROKEN
    return stream.call_sid


async def waits(rig: GatewayRig) -> None:
    """The end of a call is in the outbox."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with asyncio.timeout(30):
        while True:
            answer = await rig.client.get("/api/deliveries?state=pending", headers=bearer)
            if "call.ended" in [one["type"] for one in answer.json()["deliveries"]]:
                return
            await asyncio.sleep(0.05)


async def arrived(receiver: HttpEnd, kind: str) -> list[dict[str, Any]]:
    """Every event that has arrived, once one of this kind has."""
    async with asyncio.timeout(30):
        while True:
            found: list[dict[str, Any]] = [json.loads(one.body) for one in receiver.seen]
            if kind in [event["type"] for event in found]:
                return found
            await asyncio.sleep(0.05)


async def test_a_broken_call_has_ended_when_the_carrier_says_so(
    agents_file: Path, model: ModelServer
) -> None:
    async with http_end() as receiver:
        more = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_EVENTS_URL": f"{receiver.url}/events",
            "GATEWAY_EVENTS_SECRET": SECRET,
        }
        at_once = Tuning(delivery_over_after_s=0.0)
        async with running_gateway(agents_file, model, at_once, **more) as rig:
            call_sid = await broken(rig)
            await waits(rig)
            fields = rig.carrier.call_fields(call_sid, QUIET, "completed")
            assert (await rig.carrier.post("/twilio/status", fields)).status_code == 204
            ended = (await arrived(receiver, "call.ended"))[-1]
    assert ended["data"]["record"]["ending"] == "media_broken"


@pytest.mark.needs("redis-server")
async def test_a_call_that_another_process_goes_on_with_starts_and_ends_once(
    agents_file: Path, model: ModelServer, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(http_end())
        redis = await stack.enter_async_context(running_redis())
        more = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_STORE": redis.url,
            "GATEWAY_DATABASE": f"sqlite:///{tmp_path}/shared.sqlite3",
            "GATEWAY_EVENTS_URL": f"{receiver.url}/events",
            "GATEWAY_EVENTS_SECRET": SECRET,
        }
        first, second = [
            await stack.enter_async_context(running_gateway(agents_file, model, **more))
            for _ in range(2)
        ]
        call_sid = await broken(first)
        await waits(first)
        fields = second.carrier.call_fields(call_sid, QUIET, "in-progress")
        twiml = (await second.carrier.post("/twilio/after?leg=stream", fields)).text
        async with second.carrier.stream(call_sid, token_in(twiml)) as stream:
            await second.note(events.CallerConnected, of=call_sid)
            await stream.stop()
            await second.note(events.CallEnded, of=call_sid)
        found = await arrived(receiver, "call.ended")
    assert [event["type"] for event in found] == ["call.started", "call.ended"]
    assert found[1]["data"]["record"]["ending"] == "caller_hung_up"
