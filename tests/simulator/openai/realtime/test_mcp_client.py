"""The simulated model's MCP client against a real server: lists, calls, and ways to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from diary import diary

from gateway.simulator.openai.realtime import mcp_client
from gateway.simulator.openai.realtime.mcp_client import UNREACHABLE, HostedFailed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[dict[str, Any]]:
    async with diary() as url:
        yield {"type": "mcp", "server_label": "diary", "server_url": url}


async def failure(work: Any) -> dict[str, Any]:
    with pytest.raises(HostedFailed) as failed:
        await work
    return failed.value.error


async def test_tools_are_listed_as_an_item_has_them(server: dict[str, Any]) -> None:
    tools = {tool["name"]: tool for tool in await mcp_client.tools_of(server)}
    assert len(tools) == 4
    found = tools["find_appointment"]
    assert found["input_schema"]["required"] == ["name"]
    assert found["annotations"]["readOnlyHint"] is True
    assert found["description"].startswith("When somebody's")


async def test_a_tool_answers(server: dict[str, Any]) -> None:
    said = await mcp_client.call(server, "find_appointment", {"name": "Smith"})
    assert said == "Smith: Monday at nine"


async def test_the_three_ways_to_fail(server: dict[str, Any]) -> None:
    broke = await failure(mcp_client.call(server, "print_appointment", {"name": "Smith"}))
    assert broke["type"] == "tool_execution_error"
    assert broke["message"]
    refused = await failure(
        mcp_client.call(server, "move_appointment", {"name": "Smith", "day": "Octember"})
    )
    assert (refused["type"], refused["code"]) == ("protocol_error", -32602)
    assert "Octember" in refused["message"]
    elsewhere = server | {"server_url": server["server_url"] + "/nowhere"}
    missing = await failure(mcp_client.tools_of(elsewhere))
    assert (missing["type"], missing["code"]) == ("http_error", 404)


async def test_a_server_that_is_not_there() -> None:
    nowhere = {"server_url": "http://127.0.0.1:9/mcp"}
    error = await failure(mcp_client.tools_of(nowhere))
    assert (error["type"], error["code"]) == ("http_error", UNREACHABLE)
