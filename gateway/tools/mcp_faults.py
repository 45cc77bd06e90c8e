"""Faults that keep an MCP server from answering, and how a log line names them."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.errors import ToolError

NOT_NOW: Final = "This is not available at the moment. Tell the caller so; it may work later."


class McpUnavailable(ToolError):
    """MCP server that is not connected."""

    def __init__(self) -> None:
        super().__init__(NOT_NOW, "mcp_server_unavailable")


class McpStatus(Exception):
    """HTTP status with which an MCP server refused a request."""

    def __init__(self, status: int) -> None:
        super().__init__(f"http_{status}")
        self.status = status


class McpSessionLost(Exception):
    """Session that the server does not know any more: what was asked in it was not done."""


def reason(error: BaseException) -> str:
    """The kind of the deepest cause; never its words, in which an address may stand."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    while not isinstance(error, McpStatus):
        cause = error.__cause__ or error.__context__
        # A timeout is made of a cancellation.
        if cause is None or isinstance(cause, asyncio.CancelledError):
            return type(error).__name__
        error = cause
    return str(error)
