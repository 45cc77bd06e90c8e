"""Use of tools: functions, hosted MCP tools, and approvals."""

from __future__ import annotations

from gateway.call.events.call_event import CallEvent


class ToolCalled(CallEvent, frozen=True):
    """The model called a function."""

    name: str


class ToolCompleted(CallEvent, frozen=True):
    """A function has ended."""

    name: str
    outcome: str
    """`ok`, `error`, `timeout`, `invalid`, `unavailable`, `cancelled` or `denied`."""
    seconds: float
    """Without the wait for an approval."""


class HostedToolsListed(CallEvent, frozen=True):
    """The tools of a hosted MCP server are known, or not to be had."""

    server: str
    """Its label in the agents file, here and below; `unknown` for none of them."""
    outcome: str
    """`ok`, `empty`, `failed`, or `late`: not yet."""
    tools: int = 0


class HostedToolCalled(CallEvent, frozen=True):
    """The model's server began to use a tool of a hosted MCP server."""

    server: str
    tool: str
    """As the model wrote it: no label for a series."""


class HostedToolCompleted(CallEvent, frozen=True):
    """The use of a hosted tool has ended."""

    server: str
    outcome: str
    """`ok`, `protocol_error`, `tool_execution_error`, `http_error`, `error`, `timeout`, `denied`,
    or `lost`: nobody will know."""
    seconds: float
    """Without the wait for an approval."""


class ApprovalRequested(CallEvent, frozen=True):
    """A tool may not be used before an operator has approved it."""

    approval_id: str
    server: str
    tool: str
    arguments: str
    """JSON, people's words in it: for operators' eyes, not for logs."""
    wait_s: float
    """Then it is denied."""

    def __repr__(self) -> str:
        """Leave the arguments out."""
        shown = f"approval_id={self.approval_id!r}, server={self.server!r}, tool={self.tool!r}"
        return f"ApprovalRequested({shown}, wait_s={self.wait_s!r})"


class ApprovalResolved(CallEvent, frozen=True):
    """A request for approval was decided, or needs no decision any more."""

    approval_id: str
    server: str
    outcome: str
    """`approved`, `denied`, `timeout`, `withdrawn`, `not_offered` or `too_many`."""
