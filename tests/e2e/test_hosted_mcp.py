"""Hosted MCP from end to end: a real server, a model that reaches it, a gateway that steers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from diary import diary
from gateway_calls import Stream
from running_gateway import GatewayRig, running_gateway

from gateway.audio.g711 import pcm_to_mulaw
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.line.media_line import MediaLine
from gateway.simulator.openai.main import running_model
from gateway.simulator.openai.realtime.script import Script

TOKEN = "a-token-of-the-operators"
AGENTS = """
agents:
  clinic:
    greeting: Hillside clinic.
    instructions: You look up and move appointments.
    mcp:
      diary:
        via: openai
        url: {url}
        allowed_tools:
          [find_appointment, move_appointment, print_appointment, cancel_appointment]
        approval:
          none: [find_appointment, print_appointment, move_appointment]
          operator: [cancel_appointment]
        approval_timeout_s: 2
routes:
  - {{to: "*", agent: clinic}}
"""
SMITH = {"name": "Smith"}


def use(name: str, **arguments: str) -> list[dict[str, Any]]:
    return [{"call": {"mcp": "diary", "name": name, "arguments": SMITH | arguments}}]


SCRIPT = {
    "speed": 500,
    "think_ms": 0,
    "turns": [
        use("find_appointment"),
        use("cancel_appointment"),
        use("cancel_appointment"),
        use("print_appointment"),
        use("move_appointment", day="Octember"),
    ],
    "after_tool": [{"say": "It says: ${output}"}],
}


async def talk(stream: Stream, seconds: float = 0.8, silence: float = 0.7) -> None:
    at = np.arange(int(seconds * 8000)) / 8000
    tone = pcm_to_mulaw((9000 * np.sin(2 * np.pi * 400 * at)).astype(np.int16).tobytes())
    mulaw = tone + b"\xff" * int(silence * 8000)
    for begin in range(0, len(mulaw), 160):
        await stream.speak(mulaw[begin : begin + 160])


async def silence(rig: GatewayRig, stream: Stream) -> None:
    """Until the caller has heard the model out."""
    call = rig.gateway.registry.media_call(stream.call_sid)
    assert call is not None
    assert isinstance(call.machine.line, MediaLine)
    while call.machine.line.downlink.speaking(monotonic()):  # noqa: ASYNC110 - time itself
        await asyncio.sleep(0.01)


async def turn(rig: GatewayRig, stream: Stream, nth: int) -> events.HostedToolCompleted:
    """The caller says something, the model uses a tool for it and says what came of it."""
    await silence(rig, stream)
    await talk(stream)
    done = await rig.note(events.HostedToolCompleted, nth)
    told = lines(rig)
    await rig.until(lambda: lines(rig) > told)
    return done


def lines(rig: GatewayRig) -> int:
    """How often the model has spoken."""
    return sum(line.who == "model" for line in rig.said(events.TranscriptLine))


async def test_a_diary_that_is_asked_changed_and_fails(tmp_path: Path) -> None:
    async with diary() as url, running_model(Script.model_validate(SCRIPT)) as model:
        agents = tmp_path / "agents.yaml"
        agents.write_text(AGENTS.format(url=url))
        more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
        async with (
            running_gateway(agents, model, **more) as rig,
            rig.carrier.call() as stream,
            stream.breathing(),
        ):
            await conversation(rig, stream)
            said = [entry["text"] for entry in model.journal.of("said")]
            told = [str(entry["instructions"]) for entry in model.journal.of("create")]
        assert model.journal.of("violation") == []
    assert "It says: Smith: Monday at nine" in said
    assert "It says: Smith has no appointment any more" in said
    assert sum(prompts.denied("timeout") in words for words in told) == 1
    assert any("Octember" in words for words in said)
    assert [entry["name"] for entry in model.journal.of("mcp_called")] == [
        "find_appointment",
        "cancel_appointment",
        "print_appointment",
        "move_appointment",
    ]


async def conversation(rig: GatewayRig, stream: Stream) -> None:
    await rig.note(events.FirstAudioSent)
    listed = await rig.note(events.HostedToolsListed)
    if listed.outcome == "late":  # the first listing imports the whole package
        listed = await rig.note(events.HostedToolsListed, 2)
    assert (listed.outcome, listed.tools) == ("ok", 4)

    assert (await turn(rig, stream, 1)).outcome == "ok"
    allowing = asyncio.create_task(allow(rig, stream.call_sid))
    assert (await turn(rig, stream, 2)).outcome == "ok"
    await allowing

    assert (await turn(rig, stream, 3)).outcome == "denied"
    assert (await rig.note(events.ApprovalResolved, 2)).outcome == "timeout"
    assert (await turn(rig, stream, 4)).outcome == "tool_execution_error"
    assert (await turn(rig, stream, 5)).outcome == "protocol_error"
    for outcome in ("approved", "timeout"):
        assert await rig.metric("approvals_total", server="diary", outcome=outcome) == 1
    assert await rig.metric("mcp_calls_total", server="diary", outcome="ok") == 2
    assert await rig.metric("mcp_seconds_count", server="diary") == 4


async def allow(rig: GatewayRig, call_sid: str) -> None:
    """An operator at the console."""
    asked = await rig.note(events.ApprovalRequested)
    response = await rig.client.post(
        f"/api/calls/{call_sid}/approvals/{asked.approval_id}",
        json={"approve": True},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    assert response.status_code == 202, response.text
