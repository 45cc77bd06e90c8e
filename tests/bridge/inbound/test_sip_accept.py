"""A session that the vendor refuses at `accept`: the simulated vendor judges it by its rules."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from running_gateway import PUBLIC_URL, GatewayRig, free_listener, running_gateway
from structlog.testing import capture_logs
from vendor import PROJECT, SECRET, SIP_SETTINGS

from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.simulator.openai_project import WEBHOOK_PATH, SipAccount
from gateway.tuning import Tuning

AGENTS = """
agents:
  direct:
    path: sip
    model: gpt-realtime
    voice: {voice}
    greeting: Hello.
    instructions: Answer the telephone.
    tools: [end_call]
    session: {{parallel_tool_calls: true}}
routes: [{{to: "*", agent: direct}}]
"""
WORDS = "'parallel_tool_calls' is not supported by gpt-realtime."
UNHURRIED = Tuning(sip_accept_max_s=30.0, sip_decide_max_s=60.0)


@dataclass
class Vendor:
    """The simulated vendor, and the gateway that its webhooks reach."""

    rig: GatewayRig
    model: ModelServer
    http: httpx2.AsyncClient

    async def ring(self) -> str:
        uri = f"sip:{PROJECT}@sip.api.openai.com;transport=tls"
        headers = [("From", "<sip:+14155550123@carrier.example>;tag=1"), ("To", f"<{uri}>")]
        invite = {"uri": uri, "headers": [{"name": n, "value": v} for n, v in headers]}
        answer = await self.http.post("/simulator/invite", json=invite)
        return str(answer.raise_for_status().json()["call_id"])


@contextlib.asynccontextmanager
async def vendor(folder: Path, voice: str) -> AsyncIterator[Vendor]:
    agents, listener = folder / "agents.yaml", free_listener()
    agents.write_text(AGENTS.format(voice=voice), "utf-8")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    account = SipAccount(PROJECT, url + WEBHOOK_PATH, (SECRET,))
    async with (
        running_model(Script(speed=200, think_ms=0), sip=account) as model,
        running_gateway(agents, model, UNHURRIED, listener=listener, **SIP_SETTINGS) as rig,
        httpx2.AsyncClient(verify=False, base_url=model.url, trust_env=False) as http,
    ):
        yield Vendor(rig, model, http)


async def test_a_refused_session_is_offered_once_more_without_its_optional_parts(
    tmp_path: Path,
) -> None:
    with capture_logs() as lines:
        async with vendor(tmp_path, "marin") as far:
            call_id = await far.ring()
            await far.rig.note(events.SidebandConnected, of=call_id)
            refused = await far.rig.note(events.ModelErrorReported)
            assert refused.refused
            assert WORDS in refused.words
            assert await far.rig.metric("sip_decisions_total", decision="accepted") == 1
            assert (
                await far.rig.metric("model_errors_total", fault=refused.fault, code=refused.code)
                == 1
            )
    (line,) = [line for line in lines if line["event"] == "model_refused"]
    assert (line["call_id"], WORDS in line["words"]) == (call_id, True)


async def test_a_call_whose_essential_session_is_refused_is_rejected(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with vendor(tmp_path, "nobody") as far:
            call_id = await far.ring()
            ended = await far.rig.note(events.CallEnded, of=call_id)
            assert ended.ending is Ending.MODEL_REFUSED
            assert len(far.rig.said(events.ModelErrorReported)) == 2
            await far.rig.until(lambda: far.rig.gateway.registry.active == 0)
    said = [line["words"] for line in lines if line["event"] == "model_refused"]
    assert len(said) == 2
    assert all("nobody" in words or "parallel" in words for words in said)
    assert PUBLIC_URL not in str(said)
