"""The operator's functions in the agents file, and options that all tools share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.call_values import (
    call_value_in,
    check_call_values,
    is_call_value,
    texts_of,
)
from gateway.agents.config.json_schema import compiled

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
SECRET: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_ALONE: Final = rf"\A{SECRET.pattern}\z"
FILLED_URL: Final = r"\Ahttps?://[^\s{}/?#@\\]+(/[^\s#\\]*)?\z"
PYTHON_FUNCTION: Final = r"\A[A-Za-z_][\w.]*:[A-Za-z_]\w*\z"
IN_QUERY: Final = frozenset({"GET", "DELETE"})
"""Methods whose arguments go into the query."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
HEADER_VALUE: Final = re.compile(r"[\t -~]*")
"""What every server takes: no line breaks, with which another header could begin."""


def _reachable(url: str) -> str:
    try:
        parts = urlsplit(PLACEHOLDER.sub("", url))
        port = parts.port
    except ValueError:
        raise ValueError("must be an address whose host and port can be") from None
    if port == 0 or {"{", "}"} & set(parts.path + parts.query):
        raise ValueError("must be an address with a port above 0, every brace closed")
    return check_call_values(url)


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        try:
            check_call_values(value)
        except ValueError as error:
            raise wrong(name, str(error)) from None
        fits = _HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value)
        if not fits or len(value) > limits.tools.URL_MAX_CHARS:
            raise wrong(name, "is no header that can be sent: plain letters in one line")
    return headers


Url = Annotated[str, Field(max_length=limits.tools.URL_MAX_CHARS), AfterValidator(_reachable)]
Headers = Annotated[
    dict[str, str], Field(max_length=limits.tools.TOOL_HEADERS_MAX), AfterValidator(_sendable)
]


class HttpCall(AgentFilePart):
    """A request; `{name}` in the address is an argument, `${NAME}` in a header a secret.

    Arguments that are not in the address go into the query (GET, DELETE) or a JSON body. `{call.x}`
    in address, headers and body is a value of the call, which no argument replaces.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Url = Field(pattern=FILLED_URL)
    headers: Headers = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    """Fields of the JSON body beside the arguments."""
    allow_private: bool = False
    """Whether the address may be loopback, link-local or of a private network."""

    @property
    def in_url(self) -> frozenset[str]:
        """Return the names of the arguments that stand in the address."""
        return frozenset(n for n in PLACEHOLDER.findall(self.url) if not is_call_value(n))

    @model_validator(mode="after")
    def _body_is_sent(self) -> Self:
        if self.body is None:
            return self
        if self.method in IN_QUERY:
            raise wrong("body", f"does not go with method {self.method}, which has none")
        for text, is_name in texts_of(self.body):
            if is_name and call_value_in(text) is not None:
                raise wrong("body", f"has {text} as a name: only values are filled in")
            try:
                check_call_values(text)
            except ValueError as error:
                raise wrong("body", str(error)) from None
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """Return the variables of the environment that headers use."""
        return secrets_in(self.headers.values())


def secrets_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the variables of the environment that texts name by `${NAME}`."""
    return frozenset(name for text in texts for name in SECRET.findall(text))


def with_secrets(value: str, secrets: Mapping[str, str]) -> str:
    """Return a header's value with its `${NAME}`s filled in. Raises KeyError for an unknown one."""
    return SECRET.sub(lambda found: secrets[found[1]], value)


def all_with_secrets(values: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return headers or variables with their secrets filled in, as `with_secrets` does."""
    return {name: with_secrets(value, secrets) for name, value in values.items()}


class ToolOptions(AgentFilePart):
    """How a tool behaves in a conversation: its wait, an interruption, a yes that it needs."""

    timeout_s: float = Field(
        limits.tools.TOOL_TIMEOUT_DEFAULT_S, gt=0, le=limits.tools.TOOL_TIMEOUT_MAX_S
    )
    filler: str | None = Field(None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)
    filler_after_ms: int = Field(
        limits.tools.FILLER_AFTER_DEFAULT_MS, ge=0, le=limits.tools.FILLER_AFTER_MAX_MS
    )
    on_barge_in: Literal["keep", "cancel"] = "keep"
    confirm: bool = False
    hold: bool = False
    """Whether the caller hears the hold tone while they wait: after the filler, or without one."""


class FunctionTool(ToolOptions):
    """Function of the operator: how it is called, and what the caller hears meanwhile.

    Inherits the options of a tool: in the file they stand beside its own keys.
    """

    description: str | None = Field(None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments; of a Python function it comes from the signature."""
    http: HttpCall | None = None
    python: Annotated[str, Field(pattern=PYTHON_FUNCTION)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.http is None) == (self.python is None):
            raise wrong("http", "give either `http` or `python`")
        if self.http is not None and (self.description is None or self.parameters is None):
            key = "description" if self.description is None else "parameters"
            raise wrong(key, "is missing: the model knows an http function by it")
        if self.python is not None and self.parameters is not None:
            raise wrong("parameters", "comes from the signature of a Python function: remove it")
        return self

    @model_validator(mode="after")
    def _schema_fits(self) -> Self:
        if self.parameters is None or self.http is None:
            return self
        if self.parameters.get("type") != "object":
            raise wrong("parameters.type", "must be object")
        properties = self.parameters.get("properties", {})
        required = self.parameters.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            key = "required" if isinstance(properties, dict) else "properties"
            raise wrong(f"parameters.{key}", "must be as JSON Schema has it")
        for name in properties:
            if is_call_value(name):
                raise wrong(f"parameters.properties.{name}", "names a value of the call")
        for name in self.http.body or {}:
            if name in properties:
                raise wrong(f"http.body.{name}", "stands in `parameters` too: only one can set it")
        for name in sorted(self.http.in_url):
            if name not in properties or name not in required:
                raise wrong("http.url", f"{{{name}}} must be a required property of parameters")
        try:
            compiled(self.parameters)
        except ValueError as error:
            raise wrong("parameters", str(error)) from None
        return self
