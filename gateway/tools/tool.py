"""A tool: its definition for the model, the validation of its arguments, and how it is run."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway import limits
from gateway.agents.config.json_schema import compiled
from gateway.errors import SettingsError, ToolError
from gateway.tools.python import ToolContext

if TYPE_CHECKING:  # 3 MB, imported where there is a schema
    from jsonschema_rs import Draft202012Validator

ToolFunction = Callable[[Mapping[str, Any], ToolContext], Awaitable[str]]
"""Runs a tool with arguments that fit its schema, for a call; returns words for the model."""


class Tool:
    """Definition of a tool for the model, and how it is run."""

    def __init__(
        self,
        definition: dict[str, Any],
        timeout_s: float,
        run: ToolFunction,
        *,
        validated: bool = True,
    ) -> None:
        """`validated`: arguments are checked against the schema here. That of an MCP server is left
        to the server: a pattern in a foreign schema could keep the event loop busy.

        Raises SettingsError for a schema that is none.
        """
        self.definition, self.timeout_s, self._run = definition, timeout_s, run
        self._validator = _compiled(definition) if validated else None

    async def use(self, text: str, context: ToolContext) -> str:
        """Run the tool with arguments as the model wrote them, JSON; return words for the model.

        Raises InvalidArguments, ToolError.
        """
        return await self._run(self._arguments(text), context)

    def _arguments(self, text: str) -> dict[str, Any]:
        """Return the model's arguments after validation against the schema."""
        try:
            if len(text) > limits.tools.TOOL_ARGUMENTS_MAX_CHARS:
                raise ValueError
            arguments = json.loads(text or "{}", parse_constant=_no_number)
            json.dumps(arguments, ensure_ascii=False).encode()  # raises at half a character
        except (ValueError, RecursionError):
            raise InvalidArguments("Wrong arguments: they are not JSON.") from None
        if self._validator is not None:
            from jsonschema_rs import ValidationError  # noqa: PLC0415 - imported with the schema

            try:
                self._validator.validate(arguments)
            except ValidationError as error:
                place = ".".join(map(str, error.instance_path)) or "arguments"
                problem = error.message[:300]
                raise InvalidArguments(f"Wrong arguments: {place}: {problem}.") from None
        if not isinstance(arguments, dict):
            raise InvalidArguments("Wrong arguments: they are not an object.")
        return arguments


def _compiled(definition: Mapping[str, Any]) -> Draft202012Validator:
    """Return the validator of a tool's arguments. Raises SettingsError."""
    try:
        return compiled(definition["parameters"])
    except ValueError as error:
        raise SettingsError(f"function {definition['name']}: parameters {error}.") from None


def _no_number(name: str) -> None:
    """JSON has no NaN, though Python's has."""
    raise ValueError(name)


class InvalidArguments(ToolError):
    """Arguments that do not fit the schema; the tool was not run."""
