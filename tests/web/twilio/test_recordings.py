"""`POST /twilio/recording`: signed, of an agent that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from running_gateway import GatewayRig, running_gateway
from structlog.testing import capture_logs

from gateway.simulator.openai.main import ModelServer

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
