"""`gateway call` as its user has it: what is printed, and with what it exits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from command import running
from gateway_calls import CALLER
from running_gateway import GatewayRig, running_gateway
from twilio_rest_double import RestDesk, rest_desk

TOKEN = "a-token-of-the-operators"
AGENTS = """
agents:
  caller:
    instructions: Call people.
    outbound: {from: "+14155550100"}
routes:
  - {to: "*", agent: caller}
"""


async def run(log: Path, *arguments: str, token: str = TOKEN) -> tuple[int, str]:
    environ = {"GATEWAY_ADMIN_TOKEN": token, "COLUMNS": "200"}
    async with running(["call", *arguments], environ, log) as command:
        return await command.status(), command.said


async def tells(rig: GatewayRig, rest: RestDesk, *statuses: str, nth: int = 1) -> None:
    """The carrier, as soon as the call is placed."""
    await rest.hears(nth)
    for status in statuses:
        fields = rig.carrier.call_fields(rest.placed[nth - 1], CALLER, status)
        fields |= {"From": "+14155550100", "Direction": "outbound-api"}
        await rig.carrier.post("/twilio/status", fields)


async def test_how_it_goes_is_told_and_nobody_answers(tmp_path: Path) -> None:
    agents, log = tmp_path / "agents.yaml", tmp_path / "said"
    agents.write_text(AGENTS)
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DIAL_COUNTRIES": "+1"}
    async with (
        rest_desk() as rest,
        running_gateway(agents, TWILIO_BASE_URL=rest.url, **more) as rig,
    ):
        asked = asyncio.create_task(run(log, CALLER, "--agent", "caller", "--url", rig.url))
        await tells(rig, rest, "ringing", "no-answer")
        status, said = await asked
        lines = said.splitlines()
        assert status == 1, said
        assert lines[0] == f"calling ...23 ({rest.placed[0]})"
        assert lines[-1] == "ended: nobody answered"

        told = ["--about", "A parcel.", "--fact", "name=Amel", "--fact", "code=a=b"]
        asked = asyncio.create_task(run(log, CALLER, "--agent", "caller", "--url", rig.url, *told))
        await tells(rig, rest, "ringing", "no-answer", nth=2)
        assert (await asked)[0] == 1
        status, said = await run(log, CALLER, "--agent", "caller", "--fact", "Amel")
        assert (status, said) == (64, "gateway: --fact is NAME=VALUE, each name once.\n")
        status, said = await run(log, CALLER, "--agent", "caller", "--fact", "first name=Amel")
        assert status == 64
        assert said.startswith("gateway: --fact first name=...: a name is made of letters")

        status, said = await run(log, CALLER, "--agent", "nobody", "--url", rig.url)
        assert (status, said) == (64, "gateway: There is no such agent.\n")
        status, said = await run(log, "+442079460000", "--agent", "caller", "--url", rig.url)
        assert status == 64
        assert "GATEWAY_DIAL_COUNTRIES" in said
        rig.gateway.registry.draining = True
        status, said = await run(log, CALLER, "--agent", "caller", "--url", rig.url)
        assert (status, said.count("\n")) == (69, 1)
        assert len(rest.placed) == 2


@pytest.mark.parametrize(
    ("arguments", "token", "status", "says"),
    [
        (("911", "--agent", "x"), TOKEN, 64, "911 is not a number"),
        ((CALLER, "--agent", "x", "--from", "0100"), TOKEN, 64, "0100 is not a number"),
        ((CALLER, "--agent", "x"), "", 64, "GATEWAY_ADMIN_TOKEN"),
        ((CALLER,), TOKEN, 64, "agent"),
        ((CALLER, "--agent", "x", "--url", "http://127.0.0.1:9"), TOKEN, 69, "cannot be reached"),
    ],
)
async def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], token: str, status: int, says: str
) -> None:
    found, said = await run(tmp_path / "said", *arguments, token=token)
    assert (found, says in said) == (status, True), said
    assert "Traceback" not in said
