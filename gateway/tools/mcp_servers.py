"""MCP servers that the gateway connects to itself: before the first call, and again when lost.

Each has a task of its own that connects, asks for its tools, and asks again every few seconds;
that is also how its loss is noticed. A server that is not there costs its tools, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.mcp import McpServer, function_name, server_of
from gateway.agents.config.tool_names import BUILT_IN_TOOLS
from gateway.agents.config.tool_options import NAME
from gateway.agents.routing import AgentBook
from gateway.errors import SettingsError, ToolError
from gateway.limits.patience import MCP_PATIENCE, McpPatience
from gateway.tools.mcp_faults import McpSessionLost, McpUnavailable, reason
from gateway.tools.mcp_task import in_own_task
from gateway.tools.python import ToolContext
from gateway.tools.secrets import secrets_for
from gateway.tools.tool import Tool

if TYPE_CHECKING:
    from gateway.tools.mcp_connection import (
        ListedMcpTool,
        McpConnection,
        McpToolList,
        StderrTail,
    )

log = structlog.get_logger()
OnStatus = Callable[[str, bool], None]
"""Gets a server's label and whether it is connected, after each try."""


def ignore_status(_label: str, _up: bool) -> None:
    """Report nothing."""


OnLeftOut = Callable[[str, int], None]
"""Gets a server's label and how many of its tools were left out, when that changed."""


def ignore_left_out(_label: str, _count: int) -> None:
    """Report nothing."""


class McpServerLink:
    """One server, as long as the process lives."""

    def __init__(
        self,
        label: str,
        server: McpServer,
        secrets: Mapping[str, str],
        on_status: OnStatus = ignore_status,
        on_left_out: OnLeftOut = ignore_left_out,
        patience: McpPatience = MCP_PATIENCE,
    ) -> None:
        from gateway.tools import mcp_connection  # noqa: PLC0415 - most of a second, for those who need it

        self._wires = mcp_connection
        self.label, self.server = label, server
        self.tools: tuple[ListedMcpTool, ...] = ()
        """What it offers now; nothing while it is not connected."""
        self.revision = 0
        """Another number whenever `tools` changes."""
        self.tried = asyncio.Event()
        """Set when the first try has ended, with a connection or without."""
        self._left_out: tuple[tuple[str, str], ...] = ()
        self._on_status, self._on_left_out = on_status, on_left_out
        self._secrets, self._patience = secrets, patience
        self._wire: McpConnection | None = None
        self._running: set[asyncio.Future[bool]] = set()
        """Calls that are under way; each becomes whether the server has answered."""
        self._doubt = asyncio.Event()
        """Set when a call needs to know whether the server still answers."""
        self._outcome = asyncio.Event()
        """Set when the try that is under way, or comes next, has ended."""

    @property
    def up(self) -> bool:
        return self._wire is not None

    async def run(self) -> None:
        """Connect, and again when the connection is lost; ends by cancellation only."""
        patience = self._patience
        pause_s = patience.pause_first_s
        while True:
            last_words, began_at = self._wires.StderrTail(self._secrets), monotonic()
            failed: Exception | None = None
            try:
                await in_own_task(self._stay_connected(last_words))
            except Exception as error:
                # Whatever it is, it is the server's: the package raises anything, and groups of it.
                failed = error
            steady = self.up and monotonic() - began_at >= limits.mcp.STEADY_S
            pause_s = patience.pause_first_s if steady else min(2 * pause_s, patience.pause_max_s)
            self._lost(failed or McpUnavailable(), str(last_words))
            await self._doubt_or(pause_s)

    async def listed(self) -> McpToolList:
        """Return the server's tools over a short connection. Raises any error of the connection."""
        return await in_own_task(self._listed())

    async def _listed(self) -> McpToolList:
        silent = self._wires.StderrTail(self._secrets)
        async with self._wires.connected(self.server, self._secrets, silent) as wire:
            return await wire.tools()

    async def _stay_connected(self, last_words: StderrTail) -> None:
        """Connect, and keep the list of tools up to date. Raises when the connection is lost."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._patience.connect_max_s):
                wire = await stack.enter_async_context(
                    self._wires.connected(self.server, self._secrets, last_words, self._on_flood)
                )
                listed = await wire.tools()
            self._wire = wire
            self._offer(listed)
            log.info("mcp_server_connected", server=self.label, tools=len(listed.tools))
            self._report(True)
            while True:
                await self._doubt_or(limits.mcp.LOOK_EVERY_S)
                self._offer(await self._asked(wire))

    async def _asked(self, wire: McpConnection) -> McpToolList:
        """Return the server's tools. Raises when it does not answer, and is not at work either."""
        while True:
            begun = set(self._running)
            try:
                async with asyncio.timeout(self._patience.ask_max_s):
                    return await wire.tools()
            except Exception:
                # Many servers do one thing after the other, and a call that is under way would be
                # cut off: each has a bound of its own, and shows whether the server is there.
                if begun:
                    await asyncio.wait(begun)
                if not any(call.result() for call in begun):
                    raise

    def _on_flood(self) -> None:
        log.warning("mcp_server_floods", server=self.label)

    async def _doubt_or(self, pause_s: float) -> None:
        """For so long, or until somebody needs to know."""
        self._doubt.clear()
        try:
            async with asyncio.timeout(pause_s):
                await self._doubt.wait()
        except TimeoutError:
            return

    async def needed(self) -> McpConnection:
        """One that is not there is tried at once. Raises Unavailable."""
        if self._wire is None:
            self._doubt.set()
            try:
                async with asyncio.timeout(limits.mcp.NEEDED_MAX_S):
                    await self._outcome.wait()
            except TimeoutError:
                raise McpUnavailable from None
        if self._wire is None:
            raise McpUnavailable
        return self._wire

    def _report(self, up: bool) -> None:
        self._on_status(self.label, up)
        self.tried.set()
        self._outcome.set()
        self._outcome = asyncio.Event()

    def _offer(self, listed: McpToolList) -> None:
        if listed.tools != self.tools:
            self.tools = listed.tools
            self.revision += 1
        if listed.left_out != self._left_out:
            self._left_out = listed.left_out
            report_left_out(self.label, listed.left_out, self._on_left_out)

    def _lost(self, error: BaseException, last_words: str) -> None:
        """Told once, not with every try."""
        if self.up or not self.tried.is_set():
            log.warning(
                "mcp_server_unavailable",
                server=self.label,
                reason=reason(error),
                **({"last_words": last_words} if last_words else {}),
            )
        self._wire = None
        self._offer(self._wires.McpToolList())
        self._report(False)

    async def call(
        self, tool: str, arguments: Mapping[str, Any], _context: ToolContext | None = None
    ) -> str:
        """Raises ToolError."""
        wire = await self.needed()
        running = asyncio.get_running_loop().create_future()
        self._running.add(running)
        answered = False
        try:
            said = await self._said(wire, tool, arguments)
            answered = True
        except ToolError:
            answered = True
            raise
        except Exception as error:
            self._doubt.set()
            log.warning("mcp_call_failed", server=self.label, tool=tool, reason=reason(error))
            raise McpUnavailable from error
        except asyncio.CancelledError:
            self._doubt.set()  # it may have been too slow because it is not there any more
            raise
        finally:
            self._running.discard(running)
            running.set_result(answered)
        return said

    async def _said(self, wire: McpConnection, tool: str, arguments: Mapping[str, Any]) -> str:
        try:
            return await wire.call(tool, arguments)
        except McpSessionLost:
            self._doubt.set()
        # The server forgot us, as after a restart, and has done nothing: over another connection,
        # since the old one may still bring what others have asked.
        return await in_own_task(self._said_anew(tool, arguments))

    async def _said_anew(self, tool: str, arguments: Mapping[str, Any]) -> str:
        silent = self._wires.StderrTail(self._secrets)
        async with self._wires.connected(self.server, self._secrets, silent) as another:
            try:
                return await another.call(tool, arguments)
            except ToolError as error:
                refusal = error  # raised outside, or it would come in a group
        raise refusal


class McpServers:
    """All servers of all agents. Raises SettingsError for a secret that is not set."""

    def __init__(
        self,
        book: AgentBook,
        environ: Mapping[str, str],
        on_status: OnStatus = ignore_status,
        on_left_out: OnLeftOut = ignore_left_out,
        patience: McpPatience = MCP_PATIENCE,
    ) -> None:
        self._on_left_out = on_left_out
        self._links: dict[str, McpServerLink] = {}
        self._offered: dict[str, tuple[int, dict[str, Tool]]] = {}
        for agent in book.agents.values():
            for label, server in agent.private.items():
                known = self._links.get(label)
                if known is None:
                    secrets = _secrets(label, server, environ)
                    self._links[label] = McpServerLink(
                        label, server, secrets, on_status, on_left_out, patience
                    )
                elif _identity(known.server) != _identity(server):
                    raise SettingsError(
                        f"mcp {label} stands for two servers, the other one in agent "
                        f"{agent.name}: give one of them another label."
                    )

    @property
    def links(self) -> list[McpServerLink]:
        return list(self._links.values())

    @property
    def revision(self) -> int:
        """Changes with what is offered to whomever."""
        return sum(link.revision for link in self._links.values())

    async def tried(self, within_s: float) -> None:
        """Each server was tried once, or the time is over."""
        waits = [asyncio.ensure_future(link.tried.wait()) for link in self._links.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=within_s)
            for wait in late:
                wait.cancel()

    def tools(self, agent: Agent) -> Mapping[str, Tool]:
        """Return the tools that the agent can use now, by the names that the model knows."""
        revision, tools = self._offered.get(agent.name, (-1, {}))
        if revision != self.revision:
            revision, tools = self.revision, dict(self._tools_of(agent))
            self._offered[agent.name] = revision, tools
        return tools

    async def tool(self, agent: Agent, name: str) -> Tool:
        """One of them; for one that is not there its server is tried at once.

        Raises Unavailable.
        """
        label = server_of(name, agent.private)
        if name not in self.tools(agent) and label is not None:
            await self._links[label].needed()
        found = self.tools(agent).get(name)
        if found is None:
            raise McpUnavailable
        return found

    def _tools_of(self, agent: Agent) -> Iterator[tuple[str, Tool]]:
        names = BUILT_IN_TOOLS | agent.functions.keys()
        budget = _Budget(names)
        for label, server in agent.private.items():
            link, left_out = self._links[label], []
            budget.next_server()
            for listed in link.tools:
                if not server.offers(listed.name):
                    continue
                name = function_name(label, listed.name)
                reason = budget.refusal(name, listed)
                if reason is not None:
                    left_out.append((listed.name, reason))
                else:
                    yield name, _tool(name, listed, server, link)
            report_left_out(label, tuple(left_out), self._on_left_out, agent=agent.name)


class _Budget:
    """Remaining size of tools for one agent: a session that is refused costs every call."""

    def __init__(self, names: AbstractSet[str]) -> None:
        self._names = set(names)
        self._tools = self._of_server = self._chars = 0

    def next_server(self) -> None:
        self._of_server = 0

    def refusal(self, name: str, listed: ListedMcpTool) -> str | None:
        """Return why a tool cannot be offered, or take what it needs."""
        size_chars = listed.size_chars
        if not NAME.fullmatch(name):
            return f"{name} is no name for a function: at most 64 letters"
        if name in self._names:
            return f"there is another {name}"
        if self._of_server >= limits.mcp.TOOLS_MAX:
            return f"more than {limits.mcp.TOOLS_MAX} tools of one server: use allowed_tools"
        if self._tools >= limits.mcp.AGENT_TOOLS_MAX:
            return f"more than {limits.mcp.AGENT_TOOLS_MAX} tools of all servers: use allowed_tools"
        if self._chars + size_chars > limits.mcp.AGENT_TOOLS_MAX_CHARS:
            return (
                f"more than {limits.mcp.AGENT_TOOLS_MAX_CHARS} characters of all tools' schemas: "
                "use allowed_tools"
            )
        self._names.add(name)
        self._tools, self._of_server = self._tools + 1, self._of_server + 1
        self._chars += size_chars
        return None


def report_left_out(
    label: str,
    left_out: tuple[tuple[str, str], ...],
    on_left_out: OnLeftOut,
    **more: str,
) -> None:
    """Log tools that cannot be offered, by name and reason, and count them."""
    if not left_out:
        return
    for tool, why in left_out[: limits.mcp.LEFT_OUT_LOGGED_MAX]:
        log.warning("mcp_tool_left_out", server=label, tool=tool, reason=why, **more)
    unnamed = len(left_out) - limits.mcp.LEFT_OUT_LOGGED_MAX
    if unnamed > 0:
        log.warning("mcp_tools_left_out", server=label, more_tools=unnamed, **more)
    on_left_out(label, len(left_out))


def _tool(name: str, listed: ListedMcpTool, server: McpServer, link: McpServerLink) -> Tool:
    definition = {
        "type": "function",
        "name": name,
        "description": listed.description,
        "parameters": {"properties": {}, **listed.schema},
    }
    # "Servers MUST validate all tool inputs": Model Context Protocol, server/tools, security.
    return Tool(definition, server.timeout_s, partial(link.call, listed.name), validated=False)


def _identity(server: McpServer) -> tuple[object, ...]:
    """All that makes it the same connection."""
    return server.url, server.command, server.authorization, server.headers, server.env


def _secrets(label: str, server: McpServer, environ: Mapping[str, str]) -> dict[str, str]:
    in_headers = server.url is not None
    return secrets_for(f"mcp {label}", server.secrets, environ, in_headers=in_headers)
