"""MCP client of the simulated model: it reaches real servers over streamable HTTP.

The vendor's client runs in its data centre and reports the same of a server as this one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from gateway.simulator.shared_tls import shared_context

TIMEOUT_S: Final = 60.0
UNREACHABLE: Final = 502
"""A placeholder: the vendor's code for a server that does not answer is not documented."""


class HostedFailed(Exception):
    """Failure of a hosted call; `error` is that of the `mcp_call` item."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


async def tools_of(server: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a server's tools as in an `mcp_list_tools` item. Raises HostedFailed."""
    async with _client(server) as client:
        listed = await client.list_tools()
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.input_schema,
            "annotations": tool.annotations and tool.annotations.model_dump(by_alias=True),
        }
        for tool in listed.tools
    ]


async def call(server: dict[str, Any], name: str, arguments: dict[str, Any]) -> str:
    """Return the output of a tool. Raises HostedFailed in one of the three documented ways."""
    async with _client(server) as client:
        result = await client.call_tool(name, arguments, read_timeout_seconds=TIMEOUT_S)
    text = "\n".join(part.text for part in result.content if part.type == "text")
    if result.is_error:
        raise HostedFailed({"type": "tool_execution_error", "message": text})
    return text


@asynccontextmanager
async def _client(server: dict[str, Any]) -> AsyncIterator[Client]:
    refused: list[int] = []
    """The status of answers that were none of the protocol's."""

    async def seen(response: httpx2.Response) -> None:
        if response.is_error and b'"jsonrpc"' not in await response.aread():
            refused.append(response.status_code)

    headers = dict(server.get("headers") or {})
    if server.get("authorization"):
        headers["Authorization"] = f"Bearer {server['authorization']}"
    try:
        async with (
            httpx2.AsyncClient(
                headers=headers,
                verify=shared_context(),
                trust_env=False,
                timeout=TIMEOUT_S,
                event_hooks={"response": [seen]},
            ) as http,
            Client(streamable_http_client(server["server_url"], http_client=http)) as client,
        ):
            yield client
    except Exception as error:
        raise HostedFailed(_told(error, refused)) from error


def _told(error: BaseException, refused: list[int]) -> dict[str, Any]:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, HostedFailed):
        return error.error
    if refused:
        return {"type": "http_error", "code": refused[-1], "message": str(error)}
    if isinstance(error, MCPError):
        return {"type": "protocol_error", "code": error.code, "message": error.message}
    return {"type": "http_error", "code": UNREACHABLE, "message": str(error)}
