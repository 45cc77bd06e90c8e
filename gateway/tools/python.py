"""Python functions: `module:function`, the schema from the signature, sync or async."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

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


class PythonTool:
    """Raises SettingsError for what cannot be imported or described."""

    def __init__(self, place: str) -> None:
        self._function = load_function(place)
        self._threads = ThreadRunner()
        self._context_name: str | None = None
        self._model = self._arguments(place)
        self.description = inspect.getdoc(self._function)
        if not self.description:
            raise SettingsError(f"{place} needs a docstring: the model knows it by that.")

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        schema = self._model.model_json_schema()
        schema.pop("title", None)
        return schema

    def _arguments(self, place: str) -> type[BaseModel]:
        hints = get_type_hints(self._function, include_extras=True)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(self._function).parameters.items():
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
        if inspect.iscoroutinefunction(self._function):
            result = await self._function(**values)
        else:
            result = await self._threads.run(partial(self._function, **values))
        return result if isinstance(result, str) else json.dumps(result, default=str)


def load_function(place: str) -> Callable[..., Any]:
    """Return the function at `module:name`. Raises SettingsError."""
    module, _, name = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{place} cannot be imported: {error}.") from error
    if not callable(found):
        raise SettingsError(f"{place} is not a function.")
    return found  # type: ignore[no-any-return] # it was looked at
