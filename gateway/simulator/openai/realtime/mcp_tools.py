"""The MCP servers of a session: listed, asked for approval, called; each in the events of the wire.

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
"""What came of something that was begun: it, or the error."""


class McpNetworkAccess(Protocol):
    """The way to MCP servers; what came of it is told later, never within the call."""

    def tools_of(self, server: dict[str, Any], told: McpCallback) -> None: ...
    def call(
        self, server: dict[str, Any], name: str, arguments: dict[str, Any], told: McpCallback
    ) -> None: ...
    def close(self) -> None: ...


@dataclass
class HostedTool:
    """A server that the session named, and what is known of it."""

    server: dict[str, Any]
    tools: list[dict[str, Any]] | None = None
    """None until the list is in."""

    def offers(self, name: str) -> dict[str, Any] | None:
        known = (tool for tool in self.tools or () if tool["name"] == name)
        tool = next(known, None)
        allowed = self.server.get("allowed_tools")
        if tool is None or allowed is None:
            return tool
        return tool if _fits(tool, allowed) else None

    def asks(self, tool: dict[str, Any]) -> bool:
        """Whether each use needs an approval; unless told otherwise, it does."""
        policy = self.server.get("require_approval") or "always"
        if isinstance(policy, str):
            return policy == "always"
        return not (policy.get("never") and _fits(tool, policy["never"]))


def _fits(tool: dict[str, Any], wanted: list[str] | dict[str, Any]) -> bool:
    """Whether a tool is named by a list of names or a filter object."""
    if isinstance(wanted, list):
        return tool["name"] in wanted
    names, read_only = wanted.get("tool_names"), wanted.get("read_only")
    hint = (tool.get("annotations") or {}).get("readOnlyHint") is True
    return (names is None or tool["name"] in names) and read_only in (None, hint)


@dataclass
class SimHostedCall:
    """One use of a tool, from its arguments to its end."""

    item: SimItem
    output_index: int
    hosted: HostedTool
    previous: str | None


class HostedServers:
    """Of one session. `heard` is told the outcome of each call, for the next response."""

    def __init__(
        self, outlet: Outbox, conversation: SimConversation, heard: Callable[[str], None]
    ) -> None:
        self.reach: McpNetworkAccess | None = None
        self._outlet, self._conversation, self._heard = outlet, conversation, heard
        self._servers: dict[str, HostedTool] = {}
        self._waiting: dict[str, SimHostedCall] = {}
        """By the id of the request for approval."""

    def close(self) -> None:
        """Nothing more is begun, nor told."""
        if self.reach is not None:
            self.reach.close()

    # --- the list ---

    def configure(self, tools: list[dict[str, Any]] | None) -> None:
        """Servers that are new are asked for their tools."""
        for tool in tools or ():
            label = tool.get("server_label")
            if label is not None and label not in self._servers:
                self._servers[label] = hosted = HostedTool(tool)
                self._outlet.at(0, partial(self._list, label, hosted))

    def _list(self, label: str, hosted: HostedTool) -> None:
        item_id = self._outlet.new_id("mcpl")
        self._outlet.emit("mcp_list_tools.in_progress", item_id=item_id)
        told = partial(self._listed, label, hosted, item_id)
        if self.reach is None or "server_url" not in hosted.server:
            self._outlet.at(LISTING_S, lambda: told(None, {"message": NOT_HERE}))
        else:
            self.reach.tools_of(hosted.server, told)

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
        self._outlet.emit(
            "mcp_list_tools.failed" if error else "mcp_list_tools.completed", item_id=item_id
        )
        facts = {"error": error["message"]} if error else {"tools": [t["name"] for t in shown]}
        self._outlet.note("mcp_listed", server=label, **facts)

    def _add(self, item: SimItem) -> None:
        previous = self._conversation.insert(item)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._outlet.emit(kind, item=item.body, previous_item_id=previous)

    def offers(self, label: str, name: str) -> bool:
        """Whether the model may use this tool: not before the list is in."""
        hosted = self._servers.get(label)
        return hosted is not None and hosted.offers(name) is not None

    # --- a call ---

    def begin(self, item: SimItem, output_index: int, previous: str | None) -> None:
        """The model has said with what it wants the tool called."""
        hosted = self._servers[item.body["server_label"]]
        call = SimHostedCall(item, output_index, hosted, previous)
        tool = hosted.offers(item.body["name"])
        if tool is not None and hosted.asks(tool):
            self._ask(call)
        else:
            self._run(call)

    def _ask(self, call: SimHostedCall) -> None:
        request_id = self._outlet.new_id("mcpr")
        self._waiting[request_id] = call
        asked = {key: call.item.body[key] for key in ("server_label", "name", "arguments")}
        self._add(SimItem({"id": request_id, "type": "mcp_approval_request", **asked}))
        self._outlet.note("approval_asked", request_id=request_id, **asked)

    def awaited(self, request_id: str) -> SimHostedCall:
        """The call that an `mcp_approval_response` is about. Raises Refused for none."""
        call = self._waiting.pop(request_id, None)
        if call is None:
            message = f"Approval request '{request_id}' not found, or answered already."
            raise InvalidValue("invalid_value", message, "item.approval_request_id")
        call.item.body["approval_request_id"] = request_id
        return call

    def answered(self, call: SimHostedCall, *, approve: bool) -> None:
        request_id = call.item.body["approval_request_id"]
        self._outlet.note("approved" if approve else "denied", request_id=request_id)
        if approve:
            self._run(call)
        else:
            self._close(call)

    def _run(self, call: SimHostedCall) -> None:
        body = call.item.body
        self._progress("in_progress", call)
        self._outlet.note("mcp_called", server=body["server_label"], name=body["name"])
        told = partial(self._ended, call)
        if self.reach is None:
            error = {"type": "http_error", "code": 502, "message": NOT_HERE}
            self._outlet.at(LISTING_S, lambda: told(None, error))
        else:
            arguments = json.loads(body["arguments"])
            self.reach.call(call.hosted.server, body["name"], arguments, told)

    def _ended(self, call: SimHostedCall, output: str | None, error: dict[str, Any] | None) -> None:
        call.item.body |= {"output": output, "error": error}
        self._progress("failed" if error else "completed", call)
        self._close(call)
        facts = {"server": call.item.body["server_label"], "name": call.item.body["name"]}
        self._outlet.note("mcp_ended", **facts, output=output, error=error)
        self._heard(output if output is not None else (error or {}).get("message", ""))

    def _progress(self, state: str, call: SimHostedCall) -> None:
        place = {"item_id": call.item.id, "output_index": call.output_index}
        self._outlet.emit(f"response.mcp_call.{state}", **place)

    def _close(self, call: SimHostedCall) -> None:
        self._outlet.emit(
            "conversation.item.done", previous_item_id=call.previous, item=call.item.body
        )
