"""What is known of the MCP servers that the model's own server uses for us.

Their lists of tools and the calls that are out. Nothing is done here: `hosted.py` and
`hosted_approvals.py` do it.
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
    """When it began to run."""
    approval_id: str | None = None
    """Of the request that it waits for."""
    failed_at: float | None = None
    """It failed, and the item that says how has not come yet."""

    @property
    def over_at(self) -> float:
        """When it is given up."""
        if self.failed_at is not None:
            return self.failed_at + limits.mcp.GO_ON_GRACE_S
        return inf if self.approval_id is not None else self.since + self.options.timeout_s

    def runs(self, now: float) -> None:
        """It was allowed."""
        self.approval_id, self.since = None, now
        self.fill_after(now)

    @property
    def function(self) -> str:
        """How a session that has no such item is told of it."""
        return function_name(self.label, self.name)[:64]


class HostedCalls:
    def __init__(self, servers: Mapping[str, McpServer]) -> None:
        """`servers` are those of the agent's that are reached by the model's server."""
        self._servers = servers
        self.lists = HostedLists(servers)
        self._named: OrderedDict[str, tuple[str, str]] = OrderedDict()
        """Item of a call -> label and tool."""
        self.calls: dict[str, HostedCall] = {}
        self._outputs: OrderedDict[str, None] = OrderedDict()
        self.owed = False
        """What came of a call is in, and no response has told the caller yet."""
        self.denied: str | None = None
        """The same for a denial: why."""
        self.go_on_at: float | None = None

    # --- Calls ---

    def named(self, item: model.Item) -> None:
        """Which server and tool an item is about; the events of the call leave it out."""
        if item.id is None:
            return
        label = item.server_label if item.server_label in self._servers else UNKNOWN
        keep(self._named, item.id, (label or UNKNOWN, item.name or UNKNOWN))

    def begin(self, item_id: str, now: float) -> HostedCall | None:
        """None for one that has begun, or has ended, and for one too many."""
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
        """None for one that is not out (any more)."""
        self._named.pop(item_id, None)
        return self.calls.pop(item_id, None)

    def first_output(self, item_id: str) -> bool:
        """The same item comes in more than one event."""
        first = item_id not in self._outputs
        keep(self._outputs, item_id, None)
        return first

    @property
    def running(self) -> bool:
        """Whether a call is out that does not wait for somebody's leave."""
        return any(call.approval_id is None for call in self.calls.values())

    # --- Approvals ---

    def server(self, label: str | None) -> McpServer | None:
        return self._servers.get(label or "")

    def hold_back(self, approval: PendingApproval) -> None:
        """The call that a request is for waits with it, if it is known."""
        call = next((c for c in self.calls.values() if _is_for(approval, c)), None)
        if call is not None:
            call.approval_id, call.fill_at = approval.approval_id, inf

    def held_back(self, approval_id: str) -> HostedCall | None:
        """The call that waits with this request."""
        return next((c for c in self.calls.values() if c.approval_id == approval_id), None)

    def told(self) -> None:
        """The caller hears, or is about to hear, what came of all that."""
        self.owed, self.denied, self.go_on_at = False, None, None

    # --- Time ---

    @property
    def working(self) -> bool:
        return bool(self.calls)

    @property
    def holding(self) -> bool:
        """Whether the caller waits for something that has him hear a sound meanwhile."""
        return hold_tone_playing(self.calls.values())

    def due(self) -> float | None:
        """When something is to be looked at."""
        dues = [at for at in (self.lists.due, self.go_on_at) if at is not None]
        dues += [min(call.over_at, call.fill_at) for call in self.calls.values()]
        return min((at for at in dues if at < inf), default=None)

    def filler(self, now: float, *, quiet: bool) -> HostedCall | None:
        """The wait that is to be filled now; where somebody speaks anyway, a little later."""
        return to_fill(self.calls.values(), now, quiet=quiet)


def _is_for(approval: PendingApproval, call: HostedCall) -> bool:
    same = (approval.label, approval.name) == (call.label, call.name)
    return same and call.approval_id is None
