"""The filter of MCP messages: one unusable tool or block costs itself, not the whole answer."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, JSONRPCRequest, JSONRPCResponse

from gateway import limits
from gateway.tools.mcp_bounds import MessagePace
from gateway.tools.mcp_filter import FilteredTransport, readable_content, readable_tools

STOCK = {"name": "stock", "inputSchema": {"type": "object", "properties": {}}}
UNKNOWN_BLOCK = "[a part of the answer cannot be read]"


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("tool", "name", "reason"),
    [
        ("stock", "1", "it is not an object"),
        ({"name": 5, "inputSchema": {}}, "5", "its name is not text"),
        ({"name": "", "inputSchema": {}}, "", "its name is not text"),
        ({"name": "a"}, "a", "its inputSchema is not an object"),
        ({"name": "a", "inputSchema": {}}, "a", "the type of its inputSchema is not object"),
        (
            {"name": "a", "inputSchema": {"type": "object", "properties": []}},
            "a",
            "the properties of its inputSchema are not an object",
        ),
        (
            {"name": "a", "inputSchema": {"type": "object", "required": "all"}},
            "a",
            "its inputSchema is not a JSON Schema",
        ),
        (
            {"name": "a", "inputSchema": nested(limits.mcp.SCHEMA_MAX_DEPTH)},
            "a",
            "its inputSchema is nested too deeply",
        ),
        (
            {
                "name": "a",
                "inputSchema": {
                    "type": "object",
                    "title": "x" * limits.mcp.SCHEMA_MAX_CHARS,
                },
            },
            "a",
            "its inputSchema is too long",
        ),
    ],
)
def test_an_unusable_tool_is_left_out_with_its_reason(tool: Any, name: str, reason: str) -> None:
    result, left_out = readable_tools({"tools": [STOCK, tool]})
    assert result["tools"] == [STOCK | {"description": ""}]
    assert left_out == [(name, reason)]


def test_a_schema_as_deep_as_allowed_is_offered() -> None:
    # Each step is two levels of JSON: the properties, and the one property's schema.
    deepest = nested((limits.mcp.SCHEMA_MAX_DEPTH - 2) // 2)
    result, left_out = readable_tools({"tools": [{"name": "a", "inputSchema": deepest}]})
    assert [tool["inputSchema"] for tool in result["tools"]] == [deepest]
    assert left_out == []


def test_the_name_of_a_tool_that_is_left_out_is_bounded() -> None:
    _, left_out = readable_tools({"tools": [{"name": "x" * 1000}]})
    assert [len(name) for name, _ in left_out] == [64]


def test_descriptions_are_bounded_and_output_schemas_are_not_passed_on() -> None:
    long = "x" * (limits.mcp.DESCRIPTION_MAX_CHARS + 1)
    tool = STOCK | {"description": long, "outputSchema": {"pattern": "(a+)+$"}, "title": 5}
    result, _ = readable_tools({"tools": [tool]})
    assert result["tools"] == [STOCK | {"description": long[:-1]}]


@pytest.mark.parametrize(
    ("cursor", "expected"), [("page-2", "page-2"), (None, None), (7, None), ({}, None)]
)
def test_a_cursor_that_is_no_text_ends_the_list(cursor: Any, expected: str | None) -> None:
    result, _ = readable_tools({"tools": [], "nextCursor": cursor})
    assert result["nextCursor"] == expected


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "text", "text": "Three are left."}, "Three are left."),
        ({"type": "hologram", "text": "Three are left."}, "Three are left."),
        ({"type": "hologram"}, UNKNOWN_BLOCK),
        (5, UNKNOWN_BLOCK),
        (
            {"type": "resource_link", "name": "list", "uri": "https://shop.example/list"},
            "[list: https://shop.example/list]",
        ),
        (
            {"type": "resource", "resource": {"uri": "file:///a", "text": "Open at nine."}},
            "Open at nine.",
        ),
        (
            {"type": "resource", "resource": {"uri": "file:///a", "blob": "AAAA"}},
            "[a file: file:///a]",
        ),
        (
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            "[an image is part of the answer; it cannot be given on the telephone]",
        ),
    ],
)
def test_each_block_of_an_answer_becomes_text(block: Any, text: str) -> None:
    assert readable_content({"content": [block]}) == {
        "content": [{"type": "text", "text": text}],
        "isError": False,
    }


def test_empty_blocks_and_wrong_structured_content_are_left_out() -> None:
    result = {"content": [{"type": "text", "text": ""}], "structuredContent": [1], "isError": True}
    assert readable_content(result) == {"content": [], "isError": True}


def test_structured_content_is_kept() -> None:
    assert readable_content({"structuredContent": {"left": 3}})["structuredContent"] == {"left": 3}


class Sent:
    """Transport of a server that sends these messages and then nothing."""

    def __init__(self, *messages: JSONRPCMessage) -> None:
        self._messages = messages

    async def __aenter__(self) -> Any:
        send, read = anyio.create_memory_object_stream[Any](len(self._messages))
        for message in self._messages:
            send.send_nowait(SessionMessage(message))
        send.close()
        return read, None

    async def __aexit__(self, *_raised: object) -> None:
        """Have nothing to close."""


async def test_requests_of_a_server_are_passed_on_within_bounds() -> None:
    """Each is a task until its answer is sent, which the server need not take."""
    most = limits.mcp.REQUESTS_BURST
    pings = (JSONRPCRequest(jsonrpc="2.0", id=n, method="ping") for n in range(3 * most))
    answer = JSONRPCResponse(jsonrpc="2.0", id=1, result={"content": []})
    transport = FilteredTransport(
        Sent(*pings, answer), lambda _name, _reason: None, MessagePace(lambda: None)
    )
    async with transport as (read, _write), read:
        passed = [item.message async for item in read]
    assert most <= len(passed) <= most + 2
    assert isinstance(passed[-1], JSONRPCResponse)
