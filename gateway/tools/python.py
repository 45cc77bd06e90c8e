"""Python functions: `module:function`, the schema from the signature, sync or async."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from gateway import limits
from gateway.errors import SettingsError, ToolError
from gateway.tools.thread_runner import ThreadRunner

_STARS = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The call in which a function runs; passed to a parameter of this type."""

    call_sid: str
    caller: str
    dialled: str
    agent: str
    key: str = ""
    """What the call is known by in this process."""
    call_id: str = ""
    """OpenAI's, on the SIP path."""
    direction: str = ""
    """`inbound` or `outbound`."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts of the call's briefing."""

    def value(self, name: str) -> str:
        """Return what a placeholder like `call.sid` or `call.facts.customer` stands for, or ""."""
        name = name.removeprefix("call.")
        if name.startswith("facts."):
            return self.facts.get(name.removeprefix("facts."), "")
        values = {
            "sid": self.call_sid,
            "id": self.call_id,
            "caller": self.caller,
            "dialled": self.dialled,
            "agent": self.agent,
            "direction": self.direction,
        }
        return values[name]


class PythonFunction:
    """A function of the operator's: `async`, or in a thread of its own. Raises SettingsError."""

    def __init__(self, place: str) -> None:
        self.function = load_function(place)
        self._threads = ThreadRunner()
        called = getattr(self.function, "__call__", None)  # noqa: B004 - of an object that is one
        self._is_async = any(map(inspect.iscoroutinefunction, (self.function, called)))

    async def call(self, *arguments: Any, **named: Any) -> Any:
        """Return or raise what it does, but nothing that would end the task or the process."""
        try:
            if self._is_async:
                return await self.function(*arguments, **named)
            result = await self._threads.run(partial(self.function, *arguments, **named))
            # A decorator may hide that it is `async`.
            return await result if inspect.isawaitable(result) else result
        except SystemExit:
            raise RuntimeError("the function called sys.exit") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("the function was cancelled by itself") from None


class PythonTool:
    """Raises SettingsError for what cannot be imported or described."""

    def __init__(self, place: str) -> None:
        self._function = PythonFunction(place)
        self._context_name: str | None = None
        try:
            self._model = self._arguments(place)
            self.parameters = self._model.model_json_schema()
        except SettingsError:
            raise
        except Exception as error:  # of types that are not there, or that JSON does not have
            raise SettingsError(
                f"{place} cannot be described to the model: {_in_a_line(error)}."
            ) from error
        self.parameters.pop("title", None)
        self.description = inspect.getdoc(self._function.function)
        if not self.description:
            raise SettingsError(f"{place} needs a docstring: the model knows it by that.")

    def _arguments(self, place: str) -> type[BaseModel]:
        function = self._function.function
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            hint = hints.get(name)
            if hint is ToolContext:
                self._context_name = name
            elif hint is None or parameter.kind in _STARS:
                raise SettingsError(f"{place}: parameter {name} needs a type, and no stars.")
            else:
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[name] = (hint, default)
        config = ConfigDict(extra="forbid")
        return create_model("Arguments", __config__=config, **fields)

    async def run(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """Raises ToolError; a synchronous function runs in a thread of its own."""
        try:
            values = dict(self._model.model_validate(arguments))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ToolError(f"Wrong arguments: {place}: {first['msg']}.") from error
        if self._context_name is not None:
            values[self._context_name] = context
        result = await self._function.call(**values)
        return result if isinstance(result, str) else json.dumps(result, default=str)


def load_function(place: str) -> Callable[..., Any]:
    """Return the function at `module:name`. Raises SettingsError."""
    module, _, name = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        raise SettingsError(f"{place} cannot be imported: {_in_a_line(error)}.") from error
    if not callable(found):
        raise SettingsError(f"{place} is not a function.")
    return found  # type: ignore[no-any-return] # it was looked at


def _in_a_line(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}"[: limits.tools.FUNCTION_ERROR_MAX_CHARS].rstrip(".")
