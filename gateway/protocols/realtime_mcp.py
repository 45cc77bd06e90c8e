"""GA Realtime events about the MCP servers that the model's server connects to.

The events name an item; which server, which tool and what came of it stand in the item itself.
"""

from __future__ import annotations

from msgspec import Struct

from gateway.protocols.realtime_event import Event


class ListedTool(Struct):
    """One of the tools in an `mcp_list_tools` item."""

    name: str


class McpFailure(Struct):
    """The `error` of an `mcp_call` item."""

    type: str = ""
    """`protocol_error` or `http_error`, each with a code, or `tool_execution_error`."""
    code: int | None = None
    message: str = ""


class McpListInProgress(Event, tag="mcp_list_tools.in_progress"):
    item_id: str


class McpListCompleted(Event, tag="mcp_list_tools.completed"):
    item_id: str


class McpListFailed(Event, tag="mcp_list_tools.failed"):
    item_id: str


class McpArgumentsDone(Event, tag="response.mcp_call_arguments.done"):
    """The model has said with what it wants a tool called; nothing was called yet."""

    response_id: str
    item_id: str
    arguments: str = ""
    output_index: int = 0


class McpCallInProgress(Event, tag="response.mcp_call.in_progress"):
    """The tool runs. These three name no response: it may be over long since."""

    item_id: str
    output_index: int = 0


class McpCallCompleted(Event, tag="response.mcp_call.completed"):
    item_id: str
    output_index: int = 0


class McpCallFailed(Event, tag="response.mcp_call.failed"):
    item_id: str
    output_index: int = 0
