"""Every function of every agent, ready to be called: validated, timed, bounded, in words.

Whatever happens, the model gets an answer that it can use, and the call never hears of more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import structlog
from jsonschema import Draft202012Validator, SchemaError, ValidationError

from gateway.agents.builtin import definitions
from gateway.agents.config import ERRANDS, Agent
from gateway.agents.functions import Function
from gateway.agents.routing import AgentBook
from gateway.errors import SettingsError, ToolError
from gateway.limits import (
    TOOL_ARGUMENTS_MAX_CHARS,
    TOOL_RESULT_MAX_CHARS,
    TOOL_TIMEOUT_DEFAULT_S,
)
from gateway.tools.hosted import hosted
from gateway.tools.http import HttpTool
from gateway.tools.python import PythonTool, ToolContext

log = structlog.get_logger()
Errand = Callable[[Mapping[str, Any], ToolContext], Awaitable[str]]
"""A built-in tool at work: arguments that fit its schema, who is on the line -> for the model."""
_CUT: Final = " [cut here: the answer was longer]"


@dataclass(frozen=True, slots=True)
class Result:
    output: str
    outcome: str
    """`ok`, `error`, `timeout` or `invalid`."""


class Tool:
    """What the model is told of a tool, and how it is used. Raises SettingsError."""

    def __init__(self, definition: dict[str, Any], timeout_s: float, run: Errand) -> None:
        self.definition, self.timeout_s, self._run = definition, timeout_s, run
        try:
            Draft202012Validator.check_schema(definition["parameters"])
        except SchemaError as error:
            name = definition["name"]
            raise SettingsError(f"function {name}: parameters: {error.message}.") from error
        self._validator = Draft202012Validator(definition["parameters"])

    async def use(self, text: str, context: ToolContext) -> str:
        """`text` is what the model made up; it is held against the schema before all else."""
        return await self._run(self._arguments(text), context)

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
        self._client: httpx2.AsyncClient | None = None
        self._errands: Mapping[str, Errand] = {}
        self._tools = {
            (agent.name, name): tool
            for agent in book.agents.values()
            for name, tool in self._tools_of(agent, environ)
        }
        self._hosted = {agent.name: hosted(agent, environ) for agent in book.agents.values()}

    def _tools_of(self, agent: Agent, environ: Mapping[str, str]) -> Iterator[tuple[str, Tool]]:
        for definition in definitions(agent):
            name = definition["name"]
            if name in ERRANDS:
                yield name, Tool(definition, TOOL_TIMEOUT_DEFAULT_S, self._errand(name))
        for name, function in agent.functions.items():
            yield name, self._function(name, function, environ)

    def _errand(self, name: str) -> Errand:
        async def run(arguments: Mapping[str, Any], context: ToolContext) -> str:
            return await self._errands[name](arguments, context)

        return run

    def _function(self, name: str, function: Function, environ: Mapping[str, str]) -> Tool:
        run: Errand
        if function.http is not None:
            http = HttpTool(function.http, _secrets(name, function, environ))
            description, parameters = function.description, function.parameters or {}

            async def ask(arguments: Mapping[str, Any], _context: ToolContext) -> str:
                return await http.run(arguments, self._http())

            run = ask
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

    def employ(self, errands: Mapping[str, Errand]) -> None:
        """Who does the built-in tools' work; once, before the first call."""
        self._errands = errands

    def definitions(self, agent: Agent) -> list[dict[str, Any]]:
        """What the model is told of the agent's tools, in the order of its file."""
        built_in = {definition["name"]: definition for definition in definitions(agent)}
        ours = [
            built_in.get(name) or self._tools[agent.name, name].definition for name in agent.tools
        ]
        return ours + self._hosted[agent.name]

    async def run(self, name: str, arguments: str, context: ToolContext) -> Result:
        """Never raises but for cancellation."""
        tool = self._tools[context.agent, name]
        try:
            async with asyncio.timeout(tool.timeout_s):
                output = await tool.use(arguments, context)
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
