"""A call whose agent has changed: its sessions, its costs, and what becomes of it after a break."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from far_end import FarEnd, far_end
from gateway_calls import QUIET, new_sid, token_in
from model_bytes import configured, event, events, gateway_with_model
from running_gateway import running_gateway

from gateway.call import events as notes

AGENTS = """
agents:
  front:
    instructions: Answer the telephone.
    tools: [hand_over]
    hand_over: {billing: about an invoice}
  billing:
    model: gpt-realtime-2.1-mini
    voice: cedar
    language: fr
    audio: pcmu
    instructions: You know invoices.
routes:
  - {to: "+15550101", agent: front}
"""
USAGE = {"total_tokens": 1000, "output_token_details": {"audio_tokens": 1000}}


BUSY_BILLING = AGENTS.replace("  billing:", "    max_calls: 2\n  billing:\n    max_calls: 1") + (
    "  - {to: '+15550102', agent: billing}\n"
)


@pytest.fixture
def handing_over(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


class Vendor:
    """The model's server: its first session hands over when a key is pressed."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, dict[str, Any]]] = []
        """Request line and session of each connection."""
        self.told: asyncio.Queue[str] = asyncio.Queue()
        """Outputs of functions that a session was told."""

    async def __call__(self, end: FarEnd) -> None:
        session = await configured(end)
        self.opened.append((end.request_line, session))
        async for one in events(end):
            if one["type"] == "response.create":
                self.answer(end, session, len(self.opened))
            elif one["type"] == "conversation.item.create" and "output" in one["item"]:
                self.told.put_nowait(one["item"]["output"])

    def answer(self, end: FarEnd, session: dict[str, Any], number: int) -> None:
        response: dict[str, Any] = {"id": f"resp_{number}", "status": "in_progress"}
        end.say(event("response.created", response=response))
        output: list[dict[str, Any]] = []
        if "tools" in session:
            arguments = '{"agent": "billing", "about": "It is wrong."}'
            call = {"id": "item_1", "call_id": "call_1", "name": "hand_over"}
            output = [{"type": "function_call", **call, "arguments": arguments}]
        else:
            sound = {"response_id": response["id"], "item_id": f"item_{number}"}
            end.say(event("response.output_audio.delta", delta="f39/fw==", **sound))
            end.say(event("response.output_audio.done", **sound))
        done = response | {"status": "completed", "output": output, "usage": USAGE}
        end.say(event("response.done", response=done))


async def test_the_next_agent_has_a_session_of_its_own_and_the_call_keeps_it(
    handing_over: Path,
) -> None:
    vendor = Vendor()
    async with gateway_with_model(handing_over, vendor) as rig:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(notes.ModelReady)
            await stream.press("5")
            await stream.press("#")
            await rig.note(notes.AgentChanged)
            assert "It is wrong." in await vendor.told.get()
            await rig.note(notes.UsageCounted, 2)
            (_, first), (line, session) = vendor.opened
            assert "model=gpt-realtime-2.1-mini" in line
            assert session["instructions"] == "You know invoices."
            assert session["audio"]["output"]["voice"] == "cedar"
            assert session["audio"]["input"]["format"] == first["audio"]["input"]["format"]
            call = rig.gateway.registry.media_call(stream.call_sid)
            assert call is not None
            assert (call.facts.agent, call.machine.language) == ("billing", "fr")
            costs = {
                dict(labels)["agent"]
                for name, labels in await rig.metrics()
                if name == "gateway_cost_usd_total"
            }
            assert costs == {"front", "billing"}
            stream.socket.transport.abort()
            await rig.note(notes.CallEnded)
        fields = rig.carrier.call_fields(stream.call_sid, QUIET, "in-progress")
        twiml = (await rig.carrier.post("/twilio/after?leg=stream", fields)).text
        async with rig.carrier.stream(stream.call_sid, token_in(twiml)) as again:
            await again.speak()
            await rig.note(notes.CallerConnected, 2)
            call = rig.gateway.registry.media_call(stream.call_sid)
            assert call is not None
            assert (call.machine.agent.name, call.machine.language) == ("billing", "fr")
            line, session = vendor.opened[2]
            assert "model=gpt-realtime-2.1-mini" in line
            assert session["instructions"] == "You know invoices."
            await again.stop()
            await rig.note(notes.CallEnded, 2)


async def test_it_counts_for_the_agent_that_answered_it_also_when_it_comes_back(
    tmp_path: Path,
) -> None:
    """The one that leads it now may have as many calls as it takes: this one has its slot."""
    file = tmp_path / "agents.yaml"
    file.write_text(BUSY_BILLING)
    async with gateway_with_model(file, Vendor()) as rig:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(notes.ModelReady)
            await stream.press("5")
            await stream.press("#")
            await rig.note(notes.AgentChanged)
            other = rig.carrier.call_fields(new_sid("CA"), "+15550102")
            assert token_in((await rig.carrier.post("/twilio/voice", other)).text)
            stream.socket.transport.abort()
            await rig.note(notes.CallEnded)
        fields = rig.carrier.call_fields(stream.call_sid, QUIET, "in-progress")
        twiml = (await rig.carrier.post("/twilio/after?leg=stream", fields)).text
        async with rig.carrier.stream(stream.call_sid, token_in(twiml)) as again:
            await again.speak()
            await rig.note(notes.CallerConnected, 2)
            # Of two slots of the one that answered one is taken, and the other's only one.
            taken = [await rig.carrier.ring(new_sid("CA"), to) for to in (QUIET, QUIET)]
            assert ["Stream" in answer.text for answer in taken] == [True, False]
            await again.stop()


async def test_its_record_says_who_led_it_and_what_each_has_cost(handing_over: Path) -> None:
    vendor = Vendor()
    async with (
        far_end(vendor) as url,
        running_gateway(
            handing_over, f"{url.replace('ws:', 'http:')}/v1", GATEWAY_ADMIN_TOKEN="t" * 20
        ) as rig,
        rig.carrier.call(QUIET) as stream,
    ):
        await rig.note(notes.ModelReady)
        await stream.press("5")
        await stream.press("#")
        await rig.note(notes.UsageCounted, 2)
        headers = {"Authorization": f"Bearer {'t' * 20}"}
        answer = await rig.client.get(f"/api/calls/{stream.call_sid}", headers=headers)
        record = answer.json()
        assert (record["agent"], record["model"]) == ("billing", "gpt-realtime-2.1-mini")
        (change,) = record["hand_overs"]
        assert (change["before"], change["agent"]) == ("front", "billing")
        assert change["model"] == "gpt-realtime-2.1-mini"
        of_front, of_all = Decimal(change["cost_usd"]), Decimal(record["cost_usd"])
        assert 0 < of_front < of_all
        await stream.stop()
