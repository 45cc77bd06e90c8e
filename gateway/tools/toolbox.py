"""Every function of every agent, ready to be called: validated, timed, bounded, in words.

Whatever happens, the model gets an answer that it can use, and the call never hears of more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import structlog
from jsonschema import Draft202012Validator, SchemaError, ValidationError

from gateway.agents.config import Agent
from gateway.agents.functions import Function
from gateway.agents.routing import AgentBook
from gateway.errors import SettingsError, ToolError
from gateway.limits import TOOL_ARGUMENTS_MAX_CHARS, TOOL_RESULT_MAX_CHARS
from gateway.tools.http import HttpTool
from gateway.tools.python import PythonTool, ToolContext

log = structlog.get_logger()
_CUT: Final = " [cut here: the answer was longer]"


@dataclass(frozen=True, slots=True)
class Result:
    output: str
    outcome: str
    """`ok`, `error`, `timeout` or `invalid`."""


class _Tool:
    def __init__(self, name: str, function: Function, environ: Mapping[str, str]) -> None:
        self.timeout_s = function.timeout_s
        self._http: HttpTool | None = None
        self._python: PythonTool | None = None
        if function.http is not None:
            self._http = HttpTool(function.http, _secrets(name, function, environ))
            description, parameters = function.description, function.parameters or {}
        else:
            self._python = PythonTool(function.python or "")
            description = function.description or self._python.description
            parameters = self._python.parameters
        try:
            Draft202012Validator.check_schema(parameters)
        except SchemaError as error:
            raise SettingsError(f"function {name}: parameters: {error.message}.") from error
        self._validator = Draft202012Validator(parameters)
        self.definition = {
            "type": "function",
            "name": name,
            "description": description,
            "parameters": parameters,
        }

    async def run(self, text: str, context: ToolContext, client: httpx2.AsyncClient) -> str:
        arguments = self._arguments(text)
        if self._http is not None:
            return await self._http.run(arguments, client)
        if self._python is not None:
            return await self._python.run(arguments, context)
        raise ToolError("There is nothing to do.")

    def _arguments(self, text: str) -> dict[str, Any]:
        """What the model made up, held against the schema before anything is called."""
        try:
            if len(text) > TOOL_ARGUMENTS_MAX_CHARS:
                raise ValueError
            arguments = json.loads(text or "{}")
        except (ValueError, RecursionError):
            raise Invalid("Wrong arguments: they are not JSON.") from None
        try:
            self._validator.validate(arguments)
        except ValidationError as error:
            place = ".".join(map(str, error.absolute_path)) or "arguments"
            raise Invalid(f"Wrong arguments: {place}: {error.message[:300]}.") from None
        if not isinstance(arguments, dict):
            raise Invalid("Wrong arguments: they are not an object.")
        return arguments


class Invalid(ToolError):
    """The arguments do not fit: nothing was called."""


class Toolbox:
    """Made at start, so that a wrong function refuses to start. Raises SettingsError."""

    def __init__(self, book: AgentBook, environ: Mapping[str, str]) -> None:
        self._tools = {
            (agent.name, name): _Tool(name, function, environ)
            for agent in book.agents.values()
            for name, function in agent.functions.items()
        }
        self._client: httpx2.AsyncClient | None = None

    def definitions(self, agent: Agent) -> list[dict[str, Any]]:
        """What the model is told of the agent's functions, in the order of `tools`."""
        return [
            self._tools[agent.name, name].definition
            for name in agent.tools
            if (agent.name, name) in self._tools
        ]

    async def run(self, name: str, arguments: str, context: ToolContext) -> Result:
        """Never raises but for cancellation."""
        tool = self._tools[context.agent, name]
        try:
            async with asyncio.timeout(tool.timeout_s):
                output = await tool.run(arguments, context, self._http())
        except TimeoutError:
            return Result("It took too long and was given up.", "timeout")
        except Invalid as error:
            return Result(str(error), "invalid")
        except ToolError as error:
            return Result(str(error), "error")
        except Exception as error:
            # The operator's own code: its traceback is his, the caller's call is not harmed.
            log.exception("a function failed", function=name, call_sid=context.call_sid)
            return Result(f"It failed: {type(error).__name__}.", "error")
        if len(output) > TOOL_RESULT_MAX_CHARS:
            output = output[:TOOL_RESULT_MAX_CHARS] + _CUT
        return Result(output, "ok")

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=None)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _secrets(name: str, function: Function, environ: Mapping[str, str]) -> dict[str, str]:
    wanted = function.http.secrets if function.http is not None else frozenset[str]()
    if missing := sorted(one for one in wanted if not environ.get(one)):
        raise SettingsError(f"function {name} needs {missing[0]}, which is not set: set it.")
    return {one: environ[one] for one in wanted}
