"""Every function of every agent: validated, timed and bounded, with results in words.

Whatever happens, the model gets an answer that it can use, and the call never hears of more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway import limits
from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_names import BACKGROUND_TOOLS
from gateway.agents.config.tool_options import FunctionTool
from gateway.agents.routing import AgentBook
from gateway.errors import ToolError
from gateway.limits.patience import MCP_PATIENCE, McpPatience
from gateway.tools.before import IGNORE_BEFORE, BeforeHook, BeforeObserver, before_hook
from gateway.tools.hosted_mcp import hosted
from gateway.tools.http import HttpTool
from gateway.tools.mcp_faults import McpUnavailable
from gateway.tools.mcp_servers import (
    McpServers,
    OnLeftOut,
    OnStatus,
    ignore_left_out,
    ignore_status,
)
from gateway.tools.python import PythonTool, ToolContext
from gateway.tools.secret_functions import SecretFunctions
from gateway.tools.secrets import secrets_for
from gateway.tools.tool import InvalidArguments, Tool, ToolFunction

__all__ = ["Tool", "ToolFunction", "ToolResult", "Toolbox"]

log = structlog.get_logger()
_CUT: Final = " [cut here: the answer was longer]"


@dataclass(frozen=True, slots=True)
class ToolResult:
    output: str
    outcome: str
    """`ok`, `error`, `timeout`, `invalid` or `unavailable`."""


class Toolbox:
    """Made at start, so that a wrong function refuses to start. Raises SettingsError."""

    def __init__(
        self,
        book: AgentBook,
        environ: Mapping[str, str],
        background: Mapping[str, ToolFunction] | None = None,
        on_mcp_status: OnStatus = ignore_status,
        on_mcp_left_out: OnLeftOut = ignore_left_out,
        mcp_patience: McpPatience = MCP_PATIENCE,
        on_before: BeforeObserver = IGNORE_BEFORE,
    ) -> None:
        """`background` does the work of built-in tools that need more than the call, by name."""
        self.mcp = McpServers(book, environ, on_mcp_status, on_mcp_left_out, mcp_patience)
        self._agents = book.agents
        self._https: list[HttpTool] = []
        self._background = background or {}
        self._tools = {
            (agent.name, name): tool
            for agent in book.agents.values()
            for name, tool in self._tools_of(agent, environ)
        }
        self.secret_functions = SecretFunctions(book, environ)
        self._before = {
            agent.name: before_hook(agent, book.agents, environ, on_before)
            for agent in book.agents.values()
        }
        self._hosted = {agent.name: hosted(agent, environ) for agent in book.agents.values()}

    def _tools_of(self, agent: Agent, environ: Mapping[str, str]) -> Iterator[tuple[str, Tool]]:
        for definition in definitions(agent):
            name = definition["name"]
            if name in BACKGROUND_TOOLS:
                yield (
                    name,
                    Tool(
                        definition, limits.tools.TOOL_TIMEOUT_DEFAULT_S, self._background_tool(name)
                    ),
                )
        for name, function in agent.functions.items():
            yield name, self._function(name, function, environ)

    def _background_tool(self, name: str) -> ToolFunction:
        async def run(arguments: Mapping[str, Any], context: ToolContext) -> str:
            return await self._background[name](arguments, context)

        return run

    def _function(self, name: str, function: FunctionTool, environ: Mapping[str, str]) -> Tool:
        run: ToolFunction
        if function.http is not None:
            wanted = function.http.secrets
            secrets = secrets_for(f"function {name}", wanted, environ, in_headers=True)
            http = HttpTool(function.http, secrets)
            self._https.append(http)
            description, parameters = function.description, function.parameters or {}
            run = http.run
        else:
            python = PythonTool(function.python or "")
            description = function.description or python.description
            parameters, run = python.parameters, python.run
        definition = {
            "type": "function",
            "name": name,
            "description": description,
            "parameters": parameters,
        }
        return Tool(definition, function.timeout_s, run)

    def definitions(self, agent: Agent) -> list[dict[str, Any]]:
        """Return the definitions of the agent's tools, in the order of its file, MCP last."""
        built_in = {definition["name"]: definition for definition in definitions(agent)}
        ours = [
            built_in.get(name) or self._tools[agent.name, name].definition for name in agent.tools
        ]
        private = [tool.definition for tool in self.mcp.tools(agent).values()]
        return ours + private + self._hosted[agent.name]

    async def _find(self, agent: str, name: str) -> Tool:
        """Raises Unavailable for what could be had when the call began, and now cannot."""
        return self._tools.get((agent, name)) or await self.mcp.tool(self._agents[agent], name)

    async def run(self, name: str, arguments: str, context: ToolContext) -> ToolResult:
        """Never raises but for cancellation."""
        result, why = await self._outcome(name, arguments, context)
        if result.outcome != "ok":
            log.warning(
                "tool_call_failed",
                tool=name,
                call_sid=context.call_sid,
                outcome=result.outcome,
                reason=why,
            )
        return result

    async def _outcome(
        self, name: str, arguments: str, context: ToolContext
    ) -> tuple[ToolResult, str]:
        """Return what came of it, and why it failed: never words of the tool or of a caller."""
        try:
            tool = await self._find(context.agent, name)
            async with asyncio.timeout(tool.timeout_s):
                return _bounded(await tool.use(arguments, context), "ok"), ""
        except TimeoutError:
            return ToolResult("It took too long and was given up.", "timeout"), "timeout"
        except InvalidArguments as error:
            return _bounded(str(error), "invalid"), error.reason or "arguments"
        except McpUnavailable as error:
            return _bounded(str(error), "unavailable"), error.reason
        except ToolError as error:
            return _bounded(str(error), "error"), error.reason or "refused_by_tool"
        except Exception as error:
            # The operator's own code: they need the traceback, and the call goes on.
            log.exception("tool_failed", tool=name, call_sid=context.call_sid)
            kind = type(error).__name__
            return ToolResult(f"It failed: {kind}.", "error"), kind

    def before(self, agent: str) -> BeforeHook | None:
        """Return what is asked about calls of an agent before their first word."""
        return self._before.get(agent)

    async def close(self) -> None:
        for http in self._https:
            await http.close()
        await self.secret_functions.close()
        for hook in self._before.values():
            if hook is not None:
                await hook.close()


def _bounded(text: str, outcome: str) -> ToolResult:
    """As it can be sent: half characters, which JSON has and UTF-8 has not, would end the call."""
    if len(text) > limits.tools.TOOL_RESULT_MAX_CHARS:
        text = text[: limits.tools.TOOL_RESULT_MAX_CHARS] + _CUT
    return ToolResult(text.encode("utf-8", "replace").decode(), outcome)
