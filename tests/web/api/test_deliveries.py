"""What is to be delivered is listed, and sent again, over the API; a call's events arrive."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
from gateway_calls import RECEPTION
from http_end import http_end
from running_gateway import running_gateway
from standardwebhooks import Webhook

from gateway.call import events
from gateway.simulator.openai.main import ModelServer

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
