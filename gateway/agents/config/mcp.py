"""An MCP server whose tools an agent may use, as the agents file has it.

The vendor connects to those with `via: openai`. The gateway connects to those with `via: gateway`,
which may stand in private networks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.call_values import call_value_in
from gateway.agents.config.tool_options import SECRET_ALONE, Headers, ToolOptions, Url, secrets_in

LABEL: Final = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{limits.mcp.LABEL_MAX_CHARS - 1}}}")
Approver = Literal["none", "operator"]
"""Who must allow a call of a tool: nobody, or a person at the console."""
_FORMER_WORDS: Final = {
    "never": "is not a word for it here: write none (nobody is asked)",
    "always": (
        "is not a word for it here: write operator (a person is asked each time) "
        "or none (nobody is asked)"
    ),
}
"""The vendor's `require_approval` has these; here they once meant something else."""
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
SERVER_URL: Final = r"\Ahttps?://[^\s/?#@\\]+([/?][^\s#\\]*)?\z"
CONNECTOR: Final = r"\Aconnector_[a-z0-9_]+\z"
TOOL_NAME: Final = r"\A[^\s,]{1,128}\z"
_Tools = Annotated[
    list[Annotated[str, Field(pattern=TOOL_NAME)]], Field(max_length=limits.mcp.TOOLS_MAX)
]
_Filled = Annotated[str, Field(max_length=limits.tools.URL_MAX_CHARS)]


class ApprovalPolicy(AgentFilePart):
    """Approvers by tool; for a tool that is not listed an operator is asked."""

    none: _Tools = Field(default_factory=list)
    operator: _Tools = Field(default_factory=list)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: set[str] = set()
        for answer in ("none", "operator"):
            for index, tool in enumerate(getattr(self, answer)):
                if tool in seen:
                    raise wrong(f"{answer}.{index}", f"{tool} stands here twice")
                seen.add(tool)
        return self


def _no_former_word(value: Any) -> Any:
    for word, problem in _FORMER_WORDS.items():
        if value == word:
            raise ValueError(f"{word} {problem}")
        if isinstance(value, dict) and word in value:
            raise wrong(word, problem)
    return value


class McpServer(ToolOptions):
    """An MCP server: its address, who connects to it, and which of its tools are offered.

    Inherits the options of a tool: in the file they stand beside its own keys, for all its tools.
    """

    via: Literal["openai", "gateway"]
    url: Url | None = Field(None, pattern=SERVER_URL)
    """Streamable HTTP."""
    command: list[Annotated[str, Field(min_length=1)]] | None = Field(None, min_length=1)
    """A process of ours, spoken with over its standard input and output."""
    connector: Annotated[str, Field(pattern=CONNECTOR)] | None = None
    """One of the vendor's own."""
    authorization: Annotated[str, Field(pattern=SECRET_ALONE)] | None = None
    """`${NAME}`: the bearer token is in the environment, never in the file."""
    headers: Headers = Field(default_factory=dict)
    env: dict[str, _Filled] = Field(default_factory=dict, max_length=limits.tools.TOOL_HEADERS_MAX)
    """What `command` finds in its environment, besides what any program needs."""
    allowed_tools: _Tools | None = None
    """All of them when it is not given."""
    approval: Annotated[
        Approver | ApprovalPolicy,
        BeforeValidator(_no_former_word, json_schema_input_type=Approver | ApprovalPolicy),
    ] = "none"
    approval_timeout_s: float = Field(
        limits.tools.APPROVAL_WAIT_DEFAULT_S,
        ge=limits.tools.APPROVAL_WAIT_MIN_S,
        le=limits.tools.APPROVAL_WAIT_MAX_S,
    )
    """For so long an operator is asked; then it is a no."""

    @property
    def secrets(self) -> frozenset[str]:
        """The variables of the environment that it needs."""
        texts = (self.authorization or "", *self.headers.values(), *self.env.values())
        return secrets_in(texts)

    def offers(self, tool: str) -> bool:
        """Whether the agent may use this tool of the server's."""
        return self.allowed_tools is None or tool in self.allowed_tools

    @property
    def asks_operators(self) -> bool:
        """Whether a person is named to allow any of its tools."""
        if isinstance(self.approval, ApprovalPolicy):
            return bool(self.approval.operator)
        return self.approval == "operator"

    def approval_of(self, tool: str) -> Approver:
        """Return who must allow a call of this tool.

        Of a private one the function's name is known, in which two tools may be the same: then
        the strictest answer is for both.
        """
        if not isinstance(self.approval, ApprovalPolicy):
            return self.approval
        known = _plain if self.via == "gateway" else str
        if tool in map(known, self.approval.operator):
            return "operator"
        return "none" if tool in map(known, self.approval.none) else "operator"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = {"url": self.url, "command": self.command, "connector": self.connector}
        fits = ("url", "command") if self.via == "gateway" else ("url", "connector")
        for name, value in places.items():
            if value is not None and name not in fits:
                raise wrong(name, f"does not go with via: {self.via}")
        if sum(value is not None for value in places.values()) != 1:
            raise wrong("url", f"give either `{fits[0]}` or `{fits[1]}`")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.command is not None and self.authorization is not None:
            raise wrong("authorization", "does not go with `command`: use `env`")
        if self.command is not None and self.headers:
            raise wrong("headers", "does not go with `command`: use `env`")
        for key, text in (("url", self.url or ""), *_headers_by_key(self.headers)):
            if call_value_in(text) is not None:
                raise wrong(
                    key, "has a value of the call, and a server serves all calls: take it out"
                )
        if self.command is None and self.env:
            raise wrong("env", "goes with `command` only")
        if self.authorization is not None:
            for name in self.headers:
                if name.lower() == "authorization":
                    raise wrong(f"headers.{name}", "stands in `authorization` already")
        if self.via == "openai":
            for field in ("confirm", "on_barge_in"):
                if field in self.model_fields_set:
                    raise wrong(field, "goes with via: gateway; here `approval` does")
        return self

    @model_validator(mode="after")
    def _tools_once(self) -> Self:
        for index, tool in enumerate(self.allowed_tools or ()):
            if tool in (self.allowed_tools or ())[:index]:
                raise wrong(f"allowed_tools.{index}", "stands here twice")
        return self


def _headers_by_key(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"headers.{name}", value) for name, value in headers.items()]


def check_labels(servers: Mapping[str, McpServer]) -> None:
    """A tool is known to the model as LABEL_tool, and must lead back to one server."""
    for label in servers:
        if not LABEL.fullmatch(label):
            longest = limits.mcp.LABEL_MAX_CHARS
            raise wrong(f"mcp.{label}", f"must be a name of letters, at most {longest}")
        for other in servers:
            if label.startswith(f"{other}_"):
                raise wrong(f"mcp.{label}", f"must not begin with {other}_, another's tools do")


def function_name(label: str, tool: str) -> str:
    """By which the model knows a tool of a server's."""
    return f"{label}_{_plain(tool)}"


def _plain(tool: str) -> str:
    return _ODD.sub("_", tool)


def server_of(name: str, servers: Mapping[str, McpServer]) -> str | None:
    """The label of the server to which a tool belongs that the model knows by this name."""
    return next((label for label in servers if name.startswith(f"{label}_")), None)
