"""State of the MCP servers that the model's own server uses for us: tool lists and open calls.

`hosted_mcp.py` acts on it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from gateway import limits
from gateway.agents.config.mcp import McpServer, function_name
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.tools.hosted_lists import HostedLists
from gateway.call.tools.pending_approvals import PendingApproval, keep
from gateway.call.tools.waits import PendingWork, hold_tone_playing, to_fill
from gateway.protocols import realtime_server as model

UNKNOWN: Final = "unknown"
ERRORS: Final = frozenset({"protocol_error", "tool_execution_error", "http_error"})


@dataclass(slots=True)
class HostedCall(PendingWork):
    """One use of a tool, from its arguments to its end."""

    label: str
    item_id: str
    since: float
    """When the call began to run."""
    approval_id: str | None = None
    """The request for approval that the call waits for."""
    failed_at: float | None = None
    """When it failed; the item that says how has not come yet."""

    @property
    def over_at(self) -> float:
        """When the call is given up."""
        if self.failed_at is not None:
            return self.failed_at + limits.mcp.GO_ON_GRACE_S
        return inf if self.approval_id is not None else self.since + self.options.timeout_s

    def runs(self, now: float) -> None:
        """Start the clock: the call was approved."""
        self.approval_id, self.since = None, now
        self.fill_after(now)

    @property
    def function(self) -> str:
        """The name under which a session is told of it that has no such item."""
        return function_name(self.label, self.name)[:64]


class HostedCalls:
    """Calls of hosted tools that are open, and what has come of the others."""

    def __init__(self, servers: Mapping[str, McpServer]) -> None:
        """`servers`: those of the agent that the model's server reaches."""
        self._servers = servers
        self.lists = HostedLists(servers)
        self._named: OrderedDict[str, tuple[str, str]] = OrderedDict()
        """Item of a call -> label and tool."""
        self.calls: dict[str, HostedCall] = {}
        self._outputs: OrderedDict[str, None] = OrderedDict()
        self.owed = False
        """Whether an output is in that no response has told the caller yet."""
        self.denied: str | None = None
        """Why a call was denied, while the caller does not know yet."""
        self.go_on_at: float | None = None

    def serve(self, servers: Mapping[str, McpServer]) -> None:
        """Take another agent's servers. Its session may have listed their tools unseen."""
        self._servers = servers
        self.lists = HostedLists(servers)

    # --- Calls ---

    def named(self, item: model.Item) -> None:
        """Remember server and tool of an item; the events of the call leave them out."""
        if item.id is None:
            return
        label = item.server_label if item.server_label in self._servers else UNKNOWN
        keep(self._named, item.id, (label or UNKNOWN, item.name or UNKNOWN))

    def begin(self, item_id: str, now: float) -> HostedCall | None:
        """Open a call; None for one that has begun, or has ended, and for one too many."""
        if item_id in self.calls or item_id not in self._named:
            return None
        if len(self.calls) >= limits.mcp.CALLS_MAX:
            return None
        label, name = self._named[item_id]
        options: ToolOptions = self._servers.get(label) or ToolOptions()
        self.calls[item_id] = call = HostedCall(name, options, inf, label, item_id, now)
        call.fill_after(now)
        return call

    def end(self, item_id: str) -> HostedCall | None:
        """Close a call; None for one that is not open."""
        self._named.pop(item_id, None)
        return self.calls.pop(item_id, None)

    def first_output(self, item_id: str) -> bool:
        """Return whether this is the first output of the item, which comes in several events."""
        first = item_id not in self._outputs
        keep(self._outputs, item_id, None)
        return first

    @property
    def running(self) -> bool:
        """Whether a call runs that does not wait for an approval."""
        return any(call.approval_id is None for call in self.calls.values())

    # --- Approvals ---

    def server(self, label: str | None) -> McpServer | None:
        return self._servers.get(label or "")

    def defer(self, approval: PendingApproval) -> None:
        """Hold the call back that a request is for, if it is known."""
        call = next((c for c in self.calls.values() if _is_for(approval, c)), None)
        if call is not None:
            call.approval_id, call.fill_at = approval.approval_id, inf

    def deferred(self, approval_id: str) -> HostedCall | None:
        """Return the call that waits for this request."""
        return next((c for c in self.calls.values() if c.approval_id == approval_id), None)

    def settle_debt(self) -> None:
        """Forget what is owed: the caller hears it, or is about to."""
        self.owed, self.denied, self.go_on_at = False, None, None

    # --- Time ---

    @property
    def working(self) -> bool:
        return bool(self.calls)

    @property
    def holding(self) -> bool:
        """Whether the hold tone is to be heard during one of the calls."""
        return hold_tone_playing(self.calls.values())

    def due(self) -> float | None:
        """Return when something is to be looked at."""
        dues = [at for at in (self.lists.due, self.go_on_at) if at is not None]
        dues += [min(call.over_at, call.fill_at) for call in self.calls.values()]
        return min((at for at in dues if at < inf), default=None)

    def filler(self, now: float, *, quiet: bool) -> HostedCall | None:
        """Return the wait that is to be filled now; where somebody speaks, a little later."""
        return to_fill(self.calls.values(), now, quiet=quiet)


def _is_for(approval: PendingApproval, call: HostedCall) -> bool:
    same = (approval.label, approval.name) == (call.label, call.name)
    return same and call.approval_id is None
