"""Deletion over the API: what is refused, and what is left of a call afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from gateway_calls import CALLER, QUIET
from running_gateway import GatewayRig, running_gateway

from gateway.call import events

TOKEN = "a-token-of-the-operators"


@pytest.fixture
async def rig(agents_file: Path, tmp_path: Path) -> AsyncIterator[GatewayRig]:
    environ = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with running_gateway(agents_file, **environ) as running:
        yield running


def client(rig: GatewayRig) -> httpx2.AsyncClient:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.AsyncClient(base_url=rig.url, headers=bearer, trust_env=False, timeout=30.0)


async def test_a_running_call_stays_and_an_ended_one_goes(rig: GatewayRig) -> None:
    async with client(rig) as api:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.CallerConnected)
            path = f"/api/calls/{stream.call_sid}"
            assert (await api.delete(path)).status_code == 409
            report = (await api.post("/api/forget", json={"caller": CALLER})).json()
            assert report["running"] == [stream.call_sid]
            await stream.stop()
        await rig.note(events.CallEnded)
        # What it left was dropped, since its caller was forgotten while it ran.
        assert (await api.delete(path)).status_code == 404
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.CallerConnected, 2)
            await stream.stop()
        await rig.note(events.CallEnded, 2)
        path = f"/api/calls/{stream.call_sid}"
        report = (await api.delete(path)).json()
        assert report["calls"] == [stream.call_sid]
        assert report["deleted"]["calls"] == 1
        assert set(report["left"]) == {"calls", "deliveries", "recordings", "states"}
        assert not any(report["left"].values())
        assert (await api.delete(path)).status_code == 404
        assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"), [({}, 422), ({"caller": ""}, 422), ({"caller": "+1", "all": True}, 422)]
)
async def test_what_is_no_number_forgets_nobody(
    rig: GatewayRig, body: dict[str, object], status: int
) -> None:
    async with client(rig) as api:
        assert (await api.post("/api/forget", json=body)).status_code == status
    async with httpx2.AsyncClient(base_url=rig.url, trust_env=False) as stranger:
        assert (await stranger.post("/api/forget", json={"caller": CALLER})).status_code == 401
