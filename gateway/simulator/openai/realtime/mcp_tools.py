"""Hosted MCP servers of a session: listing, approval and calls, with the events of the wire.

A call runs beside the response that made it, which may be over by then. Whether the model goes on
by itself when the output is in is not documented: the script says so, and by default it does not,
as the vendor's own examples have it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from gateway.simulator.openai.realtime.conversation import SimConversation, SimItem
from gateway.simulator.openai.realtime.outbox import Outbox
from gateway.simulator.openai.realtime.validation import InvalidValue

LISTING_S: Final = 0.1
NOT_HERE: Final = "this server has no way to the network"

McpCallback = Callable[[Any, "dict[str, Any] | None"], None]
"""Gets the result of a listing or a call, or its error."""


class McpNetworkAccess(Protocol):
    """Network access to MCP servers; results are delivered later, never within the call."""

    def tools_of(self, server: dict[str, Any], on_done: McpCallback) -> None: ...
    def call(
        self, server: dict[str, Any], name: str, arguments: dict[str, Any], on_done: McpCallback
    ) -> None: ...
    def close(self) -> None: ...


@dataclass
class HostedTool:
    """Server of the session, with the tools that it has listed."""

    server: dict[str, Any]
    tools: list[dict[str, Any]] | None = None
    """None until the tools are listed."""

    def offers(self, name: str) -> dict[str, Any] | None:
        known = (tool for tool in self.tools or () if tool["name"] == name)
        tool = next(known, None)
        allowed = self.server.get("allowed_tools")
        if tool is None or allowed is None:
            return tool
        return tool if _fits(tool, allowed) else None

    def needs_approval(self, tool: dict[str, Any]) -> bool:
        """Return whether each use needs an approval; by default it does."""
        policy = self.server.get("require_approval") or "always"
        if isinstance(policy, str):
            return policy == "always"
        return not (policy.get("never") and _fits(tool, policy["never"]))


def _fits(tool: dict[str, Any], wanted: list[str] | dict[str, Any]) -> bool:
    """Return whether a tool fits a list of names or a filter object."""
    if isinstance(wanted, list):
        return tool["name"] in wanted
    names, read_only = wanted.get("tool_names"), wanted.get("read_only")
    hint = (tool.get("annotations") or {}).get("readOnlyHint") is True
    return (names is None or tool["name"] in names) and read_only in (None, hint)


@dataclass
class SimHostedCall:
    """One call of a hosted tool."""

    item: SimItem
    output_index: int
    hosted: HostedTool
    previous: str | None


class HostedServers:
    """Hosted MCP servers of one session; `on_output` gets the outcome of each call."""

    def __init__(
        self, outbox: Outbox, conversation: SimConversation, on_output: Callable[[str], None]
    ) -> None:
        self.network: McpNetworkAccess | None = None
        self._outbox, self._conversation, self._on_output = outbox, conversation, on_output
        self._servers: dict[str, HostedTool] = {}
        self._waiting: dict[str, SimHostedCall] = {}
        """Calls by the id of their request for approval."""

    def close(self) -> None:
        """Cancel all listings and calls."""
        if self.network is not None:
            self.network.close()

    # --- the list ---

    def configure(self, tools: list[dict[str, Any]] | None) -> None:
        """List the tools of servers that are new."""
        for tool in tools or ():
            label = tool.get("server_label")
            if label is not None and label not in self._servers:
                self._servers[label] = hosted = HostedTool(tool)
                self._outbox.at(0, partial(self._list, label, hosted))

    def _list(self, label: str, hosted: HostedTool) -> None:
        item_id = self._outbox.new_id("mcpl")
        self._outbox.emit("mcp_list_tools.in_progress", item_id=item_id)
        on_done = partial(self._listed, label, hosted, item_id)
        if self.network is None or "server_url" not in hosted.server:
            self._outbox.at(LISTING_S, lambda: on_done(None, {"message": NOT_HERE}))
        else:
            self.network.tools_of(hosted.server, on_done)

    def _listed(
        self,
        label: str,
        hosted: HostedTool,
        item_id: str,
        tools: list[dict[str, Any]] | None,
        error: dict[str, Any] | None,
    ) -> None:
        hosted.tools = [] if error else tools
        shown = [tool for tool in hosted.tools or () if hosted.offers(tool["name"])]
        body = {"id": item_id, "type": "mcp_list_tools", "server_label": label, "tools": shown}
        self._add(SimItem(body))
        self._outbox.emit(
            "mcp_list_tools.failed" if error else "mcp_list_tools.completed", item_id=item_id
        )
        facts = {"error": error["message"]} if error else {"tools": [t["name"] for t in shown]}
        self._outbox.log("mcp_listed", server=label, **facts)

    def _add(self, item: SimItem) -> None:
        previous = self._conversation.insert(item)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._outbox.emit(kind, item=item.body, previous_item_id=previous)

    def offers(self, label: str, name: str) -> bool:
        """Return whether the model may use this tool: not before it is listed."""
        hosted = self._servers.get(label)
        return hosted is not None and hosted.offers(name) is not None

    # --- a call ---

    def call(self, item: SimItem, output_index: int, previous: str | None) -> None:
        """Call a tool, or request an approval first."""
        hosted = self._servers[item.body["server_label"]]
        call = SimHostedCall(item, output_index, hosted, previous)
        tool = hosted.offers(item.body["name"])
        if tool is not None and hosted.needs_approval(tool):
            self._ask(call)
        else:
            self._run(call)

    def _ask(self, call: SimHostedCall) -> None:
        request_id = self._outbox.new_id("mcpr")
        self._waiting[request_id] = call
        asked = {key: call.item.body[key] for key in ("server_label", "name", "arguments")}
        self._add(SimItem({"id": request_id, "type": "mcp_approval_request", **asked}))
        self._outbox.log("approval_asked", request_id=request_id, **asked)

    def take_pending(self, request_id: str) -> SimHostedCall:
        """Remove and return the call of an approval response. Raises InvalidValue without one."""
        call = self._waiting.pop(request_id, None)
        if call is None:
            message = f"Approval request '{request_id}' not found, or answered already."
            raise InvalidValue("invalid_value", message, "item.approval_request_id")
        call.item.body["approval_request_id"] = request_id
        return call

    def resolve(self, call: SimHostedCall, *, approve: bool) -> None:
        request_id = call.item.body["approval_request_id"]
        self._outbox.log("approved" if approve else "denied", request_id=request_id)
        if approve:
            self._run(call)
        else:
            self._close(call)

    def _run(self, call: SimHostedCall) -> None:
        body = call.item.body
        self._progress("in_progress", call)
        self._outbox.log("mcp_called", server=body["server_label"], name=body["name"])
        on_done = partial(self._ended, call)
        if self.network is None:
            error = {"type": "http_error", "code": 502, "message": NOT_HERE}
            self._outbox.at(LISTING_S, lambda: on_done(None, error))
        else:
            arguments = json.loads(body["arguments"])
            self.network.call(call.hosted.server, body["name"], arguments, on_done)

    def _ended(self, call: SimHostedCall, output: str | None, error: dict[str, Any] | None) -> None:
        call.item.body |= {"output": output, "error": error}
        self._progress("failed" if error else "completed", call)
        self._close(call)
        facts = {"server": call.item.body["server_label"], "name": call.item.body["name"]}
        self._outbox.log("mcp_ended", **facts, output=output, error=error)
        self._on_output(output if output is not None else (error or {}).get("message", ""))

    def _progress(self, state: str, call: SimHostedCall) -> None:
        place = {"item_id": call.item.id, "output_index": call.output_index}
        self._outbox.emit(f"response.mcp_call.{state}", **place)

    def _close(self, call: SimHostedCall) -> None:
        self._outbox.emit(
            "conversation.item.done", previous_item_id=call.previous, item=call.item.body
        )
