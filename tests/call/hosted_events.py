"""What the model's server tells of the MCP servers that it uses, in the words of a screenplay."""

from __future__ import annotations

from typing import Any

from call.play import Book, Cue, answered, note, nothing, tells_the_model
from call.vendor_events import response_created, response_done
from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.call import events, inputs
from gateway.protocols import realtime_mcp as mcp
from gateway.protocols import realtime_server as model

GRACE_S = limits.mcp.GO_ON_GRACE_S


def server(**changes: Any) -> McpServer:
    fields = {"via": "openai", "url": "https://crm.example.com/mcp", "filler_after_ms": 60_000}
    return McpServer.model_validate(fields | changes)


def calling(**changes: Any) -> Book:
    """People talk, and the tools of `crm` are listed."""
    book = answered(mcp={"crm": server(**changes)})
    book >> listed() << nothing >> mcp.McpListCompleted(item_id="mcpl_1")
    return book << note(events.HostedToolsListed, server="crm", outcome="ok", tools=1) << nothing


def listed(item_id: str = "mcpl_1", label: str = "crm", tools: int = 1) -> Cue:
    item = model.Item("mcp_list_tools", item_id, server_label=label)
    item.tools = [mcp.ListedTool(f"tool_{n}") for n in range(tools)]
    return lambda _: [model.ItemAdded(item=item), model.ItemDone(item=item)]


def call_item(item_id: str = "mcp_1", name: str = "find", **changes: Any) -> model.Item:
    item = model.Item("mcp_call", item_id, server_label="crm", name=name, arguments="{}")
    for field, value in changes.items():
        setattr(item, field, value)
    return item


def called(item_id: str = "mcp_1", name: str = "find") -> model.ItemAdded:
    return model.ItemAdded(item=call_item(item_id, name))


def arguments(item_id: str = "mcp_1") -> mcp.McpArgumentsDone:
    return mcp.McpArgumentsDone(response_id="resp_1", item_id=item_id, arguments="{}")


def runs(item_id: str = "mcp_1") -> mcp.McpCallInProgress:
    return mcp.McpCallInProgress(item_id=item_id)


def completed(item_id: str = "mcp_1") -> mcp.McpCallCompleted:
    return mcp.McpCallCompleted(item_id=item_id)


def output(item_id: str = "mcp_1", text: str = "Smith, 42") -> model.ItemDone:
    return model.ItemDone(item=call_item(item_id, output=text))


def request(approval_id: str = "mcpr_1", name: str = "find", label: str = "crm") -> model.ItemDone:
    item = model.Item("mcp_approval_request", approval_id, server_label=label, name=name)
    item.arguments = '{"name": "Smith"}'
    return model.ItemDone(item=item)


def answers(approval_id: str, approve: bool) -> Any:
    return tells_the_model(f"'approval_request_id': '{approval_id}', 'approve': {approve}")


CALLED = note(events.HostedToolCalled, server="crm", tool="find")


def out(book: Book) -> Book:
    """A call is out, and the response that made it is over."""
    book = book >> response_created() >> called() >> arguments() << CALLED
    return book >> runs() >> response_done() << nothing


def asked(book: Book, **of_note: Any) -> Book:
    """The model's server asks before it calls."""
    book = book >> response_created() >> called() >> arguments() << CALLED >> request()
    book << note(
        events.ApprovalRequested, approval_id="mcpr_1", server="crm", tool="find", **of_note
    )
    return book >> response_done() << nothing


def anything(nth: int, what: int) -> object:
    """One of all the things that can happen to a server's lists, calls and requests."""
    item_id, approval_id, list_id = f"mcp_{nth}", f"mcpr_{nth}", f"mcpl_{nth}"
    lists = model.Item("mcp_list_tools", list_id, server_label="crm", tools=[])
    broke = call_item(item_id, error=mcp.McpFailure("http_error", 500, "No."))
    happenings: list[object] = [
        called(item_id),
        arguments(item_id),
        runs(item_id),
        completed(item_id),
        output(item_id),
        mcp.McpCallFailed(item_id=item_id),
        model.ItemDone(item=broke),
        request(approval_id),
        request(approval_id, "drop"),
        inputs.ApprovalAnswered(approval_id, nth > 0),
        mcp.McpListInProgress(item_id=list_id),
        mcp.McpListCompleted(item_id=list_id),
        mcp.McpListFailed(item_id=list_id),
        model.ItemDone(item=lists),
    ]
    return happenings[what % len(happenings)]
