"""`gateway records` as its user has it, against a running gateway with calls that have ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from command import running
from gateway_calls import CALLER, QUIET
from running_gateway import GatewayRig, running_gateway

from gateway.call import events

TOKEN = "a-token-of-the-operators"
AGENTS = """
agents:
  quiet: {instructions: Wait., record: transcript}
routes: [{to: "*", agent: quiet}]
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[GatewayRig]:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    environ = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path / "data")}
    async with running_gateway(file, **environ) as running:
        yield running


async def run(tmp_path: Path, *arguments: str, token: str = TOKEN) -> tuple[int, str]:
    environ = {"GATEWAY_ADMIN_TOKEN": token, "COLUMNS": "200"}
    async with running(["records", *arguments], environ, tmp_path / "said") as command:
        return await command.status(), command.said


async def ended_call(rig: GatewayRig) -> str:
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.CallerConnected)
        await stream.stop()
    await rig.note(events.CallEnded)
    return stream.call_sid


async def test_calls_are_listed_shown_written_and_forgotten(
    rig: GatewayRig, tmp_path: Path
) -> None:
    call, url = await ended_call(rig), rig.url
    status, said = await run(tmp_path, "list", "--url", url)
    assert status == 0, said
    assert call in said
    assert CALLER not in said

    status, said = await run(tmp_path, "list", "--json", "--caller", CALLER, "--url", url)
    assert json.loads(said)["id"] == call
    status, said = await run(tmp_path, "list", "--caller", "+14155550999", "--url", url)
    assert (status, said) == (0, "")

    status, said = await run(tmp_path, "show", call, "--url", url)
    assert json.loads(said)["privacy"]["record"] == "transcript"

    file = tmp_path / "calls.jsonl"
    status, said = await run(tmp_path, "export", "--to", str(file), "--url", url)
    assert status == 0, said
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == [call]
    assert file.stat().st_mode & 0o077 == 0, "people's words"

    status, said = await run(tmp_path, "forget", "--caller", CALLER, "--url", url)
    assert status == 0, said
    assert said.startswith("1 calls deleted")
    status, said = await run(tmp_path, "show", call, "--url", url)
    assert (status, said) == (64, "gateway: There is no such call.\n")


async def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    for arguments, token, status, says in (
        (["list"], "", 64, "GATEWAY_ADMIN_TOKEN is not set"),
        (["list", "--url", "http://127.0.0.1:9"], TOKEN, 69, "cannot be reached"),
        (["forget"], TOKEN, 64, "caller"),
    ):
        found, said = await run(tmp_path, *arguments, token=token)
        assert found == status, said
        assert says in said
        assert "Traceback" not in said
