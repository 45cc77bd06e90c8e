"""MCP servers that the gateway reaches itself: is each there, and does it offer what is used?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from gateway.agents.config.mcp import McpServer
from gateway.agents.routing import AgentBook
from gateway.cli.doctor.check import CHECK_MAX_S, Finding, fail, ok, warn
from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.tools.mcp_faults import reason
from gateway.tools.mcp_servers import McpServerLink, McpServers


async def servers(_settings: Settings, book: AgentBook) -> Iterable[Finding]:
    try:
        mcp_servers = McpServers(book, os.environ)
    except SettingsError:
        return []  # said of the agents already
    wanted = {
        link.label: [a.mcp[link.label] for a in book.agents.values() if link.label in a.mcp]
        for link in mcp_servers.links
    }
    return await asyncio.gather(*(_one(link, wanted[link.label]) for link in mcp_servers.links))


async def _one(link: McpServerLink, wanted: list[McpServer]) -> Finding:
    name = f"MCP {link.label}"
    try:
        async with asyncio.timeout(CHECK_MAX_S - 0.5):
            listed = await link.listed()
    except Exception as error:  # the package raises anything, and groups of it
        fix = "Calls work without its tools. Is it running, and are address and token right?"
        return fail(name, f"cannot be had ({reason(error)})", fix)
    offered = {tool.name for tool in listed.tools}
    missing = {tool for server in wanted for tool in server.allowed_tools or ()} - offered
    if missing:
        names = ", ".join(sorted(missing))
        return warn(name, f"does not offer {names}", "Correct `allowed_tools`.")
    if listed.left_out:
        tool, why = listed.left_out[0]
        detail = f"{len(listed.left_out)} tools cannot be offered: {tool}: {why}"
        return warn(name, detail, "Correct them at the server, or do without.")
    return ok(name, f"{len(offered)} tools")
