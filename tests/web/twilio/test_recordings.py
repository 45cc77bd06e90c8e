"""`POST /twilio/recording`: signed, of an agent that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from running_gateway import GatewayRig, running_gateway
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from gateway.agents.config.agent import Agent
from gateway.simulator.openai.main import ModelServer
from gateway.web.twilio.recordings import RecordingWebhook

SID, CALL = "RE" + "a" * 32, "CA" + "b" * 32
AGENTS = """
agents:
  recorded:
    instructions: Answer the telephone.
    recording: {consent: Recorded.}
  plain:
    instructions: Wait.
routes:
  - {to: "+15550100", agent: recorded}
  - {to: "+15550101", agent: plain}
"""


@pytest.fixture
async def rig(model: ModelServer, tmp_path: Path) -> AsyncIterator[GatewayRig]:
    agents = tmp_path / "recorded.yaml"
    agents.write_text(AGENTS)
    more = {"GATEWAY_DATA_DIR": str(tmp_path / "data"), "TWILIO_BASE_URL": "http://127.0.0.1:9"}
    async with running_gateway(agents, model, **more) as rig:
        yield rig


def fields(**more: str) -> dict[str, str]:
    known = {"AccountSid": "AC", "CallSid": CALL, "RecordingSid": SID}
    return known | {"RecordingStatus": "completed"} | more


async def test_what_was_reported_is_on_the_disk_before_the_answer(
    rig: GatewayRig, tmp_path: Path
) -> None:
    answer = await rig.carrier.post("/twilio/recording?agent=recorded", fields())
    assert answer.status_code == 204
    job = tmp_path / "data" / "recording-spool" / "carrier" / f"{SID}.job"
    assert CALL in job.read_text()


async def test_reports_that_mean_nothing_leave_nothing(rig: GatewayRig, tmp_path: Path) -> None:
    for query, more in (
        ("?agent=nobody", {}),
        ("", {}),
        ("?agent=plain", {}),
        ("?agent=recorded", {"RecordingStatus": "absent"}),
    ):
        with capture_logs():
            answer = await rig.carrier.post(f"/twilio/recording{query}", fields(**more))
        assert answer.status_code == 204
    assert not (tmp_path / "data" / "recording-spool").exists()


@pytest.mark.parametrize("wrong", [{"CallSid": "CA1"}, {"RecordingSid": "../../x"}])
async def test_ids_that_are_none_are_refused(rig: GatewayRig, wrong: dict[str, str]) -> None:
    answer = await rig.carrier.post("/twilio/recording?agent=recorded", fields(**wrong))
    assert answer.status_code == 400


async def test_nobody_else_can_report_a_recording(rig: GatewayRig) -> None:
    answer = await rig.client.post(f"{rig.url}/twilio/recording?agent=recorded", data=fields())
    assert answer.status_code == 403


async def test_a_report_that_the_disk_does_not_take_is_an_error_at_the_carrier() -> None:
    """It reports once: what is answered with success is not seen again."""

    class FullDisk:
        async def reported(self, *_: object) -> None:
            raise OSError("the disk is full")

    recordings: Any = FullDisk()
    agent = Agent(name="recorded", instructions="Be kind.")
    webhook = RecordingWebhook(recordings, lambda _name, _call_sid: agent)

    async def endpoint(request: Request) -> Response:
        return await webhook.recording(fields(), request)

    app = httpx2.ASGITransport(Starlette(routes=[Route("/", endpoint)]))
    async with httpx2.AsyncClient(transport=app, base_url="http://gateway") as client:
        with capture_logs() as lines:
            answer = await client.get("/?agent=recorded")
    assert answer.status_code == 503
    assert [line["event"] for line in lines] == ["carrier_recording_not_taken"]
