"""The recording of a call in the operators' API: ranges, what is known of it, pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from gateway_calls import RECEPTION
from ops.recordings.parts import facts, noise
from running_gateway import GatewayRig, running_gateway

from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.recordings.joining import JoinedPart, join
from gateway.simulator.openai.main import ModelServer

TOKEN = "a-token-of-the-operators"
AGENTS = """
agents:
  recorded:
    greeting: Hello.
    instructions: Answer the telephone.
    recording: {consent: Recorded., format: wav}
  plain:
    instructions: Wait.
routes:
  - {to: "+15550100", agent: recorded}
  - {to: "+15550101", agent: plain}
"""
SOUND = noise(10)


@pytest.fixture(params=["", "a-key"], ids=["plain", "sealed"])
async def rig(
    request: pytest.FixtureRequest, model: ModelServer, tmp_path: Path
) -> AsyncIterator[GatewayRig]:
    agents = tmp_path / "recorded.yaml"
    agents.write_text(AGENTS)
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path / "data")}
    if request.param:
        more["GATEWAY_STORE_KEY"] = request.param
    async with running_gateway(agents, model, **more) as rig:
        yield rig


@pytest.fixture
async def office(rig: GatewayRig) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        verify=False, base_url=rig.url, headers=headers, trust_env=False
    ) as client:
        yield client


async def a_call(rig: GatewayRig) -> str:
    """A call that has ended; its CallSid."""
    async with rig.carrier.call(RECEPTION) as stream:
        (call,) = rig.gateway.registry.calls
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        await rig.note(events.CallEnded)
        return stream.call_sid


async def with_recording(rig: GatewayRig, tmp_path: Path) -> tuple[str, bytes]:
    """The same, with a recording; and its file."""
    call_sid, library = await a_call(rig), rig.gateway.recordings.library
    of = facts(name=call_sid)
    part = JoinedPart(of, len(SOUND) // 2, (), "final", [of.id], lambda: iter([SOUND]))
    target, plain = tmp_path / "joined", tmp_path / "plain"
    info = join([part], target, library.secret, lambda kind: library.key(call_sid, kind))
    await library.store(info, target)
    join([part], plain, None, str)
    return call_sid, plain.read_bytes()


async def test_the_sound_of_a_call_is_heard(
    rig: GatewayRig, office: httpx2.AsyncClient, tmp_path: Path
) -> None:
    call_sid, file = await with_recording(rig, tmp_path)
    answer = await office.get(f"/api/calls/{call_sid}/recording")
    assert answer.status_code == 200
    assert answer.content == file
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(file))
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=70000-", 70_000, None),
        ("bytes=-10", -10, None),
        ("bytes=65530-65545", 65_530, 65_546),
        ("bytes=20-20", 20, 21),
        ("bytes=100-99999999", 100, None),
    ],
)
async def test_a_player_asks_for_a_range(
    rig: GatewayRig,
    office: httpx2.AsyncClient,
    tmp_path: Path,
    wanted: str,
    start: int,
    end: int | None,
) -> None:
    call_sid, file = await with_recording(rig, tmp_path)
    answer = await office.get(f"/api/calls/{call_sid}/recording", headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.content == file[start:end]
    first = start if start >= 0 else len(file) + start
    last = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(file)}"


async def test_ranges_that_cannot_be_met_and_such_that_are_none(
    rig: GatewayRig, office: httpx2.AsyncClient, tmp_path: Path
) -> None:
    call_sid, file = await with_recording(rig, tmp_path)
    path = f"/api/calls/{call_sid}/recording"
    for wanted in (f"bytes={len(file)}-", "bytes=-0"):
        answer = await office.get(path, headers={"Range": wanted})
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(file)}"
    for wanted in ("bytes=5-4", "bytes=0-1,4-5", "seconds=0-1", "bytes=-", "bytes=a-b"):
        answer = await office.get(path, headers={"Range": wanted})
        assert answer.status_code == 200, wanted
    old = {"Range": "bytes=0-1", "If-Range": '"another"'}
    assert (await office.get(path, headers=old)).status_code == 200


async def test_what_is_known_of_a_recording(
    rig: GatewayRig, office: httpx2.AsyncClient, tmp_path: Path
) -> None:
    call_sid, file = await with_recording(rig, tmp_path)
    answer = await office.get(f"/api/calls/{call_sid}/recording/info")
    assert answer.status_code == 200
    info = answer.json()
    assert (info["call"], info["seconds"], info["bytes"]) == (call_sid, 10.0, len(file))
    assert info["sealed"] == (rig.gateway.recordings.library.secret is not None)
    assert len(info["waveform_caller"]) == 136


async def test_a_call_without_a_recording_has_none(
    rig: GatewayRig, office: httpx2.AsyncClient
) -> None:
    call_sid = await a_call(rig)
    for path in ("recording", "recording/info"):
        answer = await office.get(f"/api/calls/{call_sid}/{path}")
        assert answer.status_code == 404
        assert "no recording" in answer.json()["detail"]
        assert (await office.get(f"/api/calls/nobody/{path}")).status_code == 404


async def test_a_recording_that_cannot_be_read_is_no_fault_of_whoever_asks(
    rig: GatewayRig, office: httpx2.AsyncClient, tmp_path: Path
) -> None:
    call_sid, _ = await with_recording(rig, tmp_path)
    store = tmp_path / "data" / "recordings"
    (store / f"{call_sid}.json").write_bytes(b"{")
    answer = await office.get(f"/api/calls/{call_sid}/recording")
    assert answer.status_code == 500
    store.rename(tmp_path / "elsewhere")
    store.write_bytes(b"")
    answer = await office.get(f"/api/calls/{call_sid}/recording")
    assert answer.status_code == 503


async def test_an_operator_pauses_a_recording(rig: GatewayRig, office: httpx2.AsyncClient) -> None:
    async with rig.carrier.call(RECEPTION) as stream:
        path = f"/api/calls/{stream.call_sid}/recording"
        answer = await office.post(path, json={"paused": True})
        assert answer.status_code == 202
        assert answer.json() == {"call": stream.call_sid, "action": "pause_recording"}
        assert rig.said(events.RecordingPaused) == [events.RecordingPaused("operator")]
        (call,) = rig.gateway.registry.calls
        call.machine.recording.pause("tool")
        assert (await office.post(path, json={"paused": False})).status_code == 409
        call.machine.recording.unpause("tool")
        assert (await office.post(path, json={"paused": False})).status_code == 202
        assert (await office.post(path, json={"paused": "yes"})).status_code == 422
    async with rig.carrier.call("+15550101") as stream:
        path = f"/api/calls/{stream.call_sid}/recording"
        answer = await office.post(path, json={"paused": True})
        assert answer.status_code == 409
        assert "not recorded" in answer.json()["detail"]
