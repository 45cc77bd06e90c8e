"""Addresses of functions and of hosted servers, as `gateway doctor` examines them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.agents.file.loader import load_agents
from gateway.cli.doctor import functions
from gateway.cli.doctor.check import Finding
from gateway.settings import load_settings

AGENTS = """
agents:
  reception:
    instructions: Be kind.
{more}
  second:
    instructions: Be kind.
{more}
routes:
  - {{to: "+15550101", agent: second}}
  - {{to: "*", agent: reception}}
"""
FUNCTION = """
    tools: [stock]
    functions:
      stock:
        description: d
        parameters: {{type: object, required: [id], properties: {{id: {{type: string}}}}}}
        http: {{url: "{url}", allow_private: {private}}}
"""
HOSTED = """
    mcp: {{crm: {{via: openai, url: "{url}"}}}}
"""


async def found(folder: Path, more: str, *, simulated: bool = False) -> list[Finding]:
    agents = folder / "agents.yaml"
    agents.write_text(AGENTS.format(more=more), "utf-8")
    settings = load_settings({"GATEWAY_AGENTS": str(agents)}, simulated=True)
    settings = settings.model_copy(update={"simulated": simulated})
    return list(await functions.addresses(settings, load_agents(agents)))


def function(url: str, *, private: bool) -> str:
    return FUNCTION.format(url=url, private=str(private).lower())


@pytest.mark.parametrize("private", [True, False])
async def test_a_private_service_needs_to_be_allowed(tmp_path: Path, private: bool) -> None:
    met = asyncio.Event()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/{{id}}"
        # Two agents have the same function: its address is examined once.
        (one,) = await found(tmp_path, function(url, private=private))
        if private:
            await met.wait()
    assert one.name == "function stock"
    if private:
        assert (one.status, one.detail) == ("ok", "127.0.0.1")
    else:
        assert (one.status, one.detail) == ("fail", "127.0.0.1 is in a private network")
        assert not met.is_set()


async def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    (one,) = await found(tmp_path, function("http://127.0.0.1:1/", private=True))
    assert (one.status, one.detail) == ("fail", "the connection is refused")


SIGNED = """
    before: {{http: {{url: "http://127.0.0.1:1/call"}}}}
    tools: [collect_digits]
    secret_digits: {{pin: {{http: {{url: "http://127.0.0.1:1/pin", allow_private: true}}}}}}
"""


async def test_what_is_asked_before_a_call_and_about_secret_digits_is_examined_too(
    tmp_path: Path,
) -> None:
    one, other = sorted(await found(tmp_path, SIGNED.format()), key=lambda found: found.name)
    assert (one.name, one.status) == ("before", "fail")
    assert one.detail == "127.0.0.1 is in a private network"
    assert (other.name, other.status) == ("secret input pin", "fail")
    assert other.detail == "the connection is refused"


async def test_a_hosted_server_in_a_private_network(tmp_path: Path) -> None:
    """OpenAI connects to it, unless the vendor is simulated on this machine."""
    hosted = HOSTED.format(url="https://10.0.0.7/mcp")
    (one,) = await found(tmp_path, hosted)
    assert (one.name, one.status) == ("hosted MCP crm", "fail")
    assert one.detail == "10.0.0.7 is in a private network"
    assert await found(tmp_path, hosted, simulated=True) == []
