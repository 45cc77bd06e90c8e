"""Events about hosted MCP servers, as the vendor documents them."""

from __future__ import annotations

import pytest

from gateway.protocols import realtime_codec, realtime_mcp


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            '{"type":"mcp_list_tools.completed","event_id":"e","item_id":"i"}',
            realtime_mcp.McpListCompleted(event_id="e", item_id="i"),
        ),
        (
            '{"type":"response.mcp_call_arguments.done","response_id":"r","item_id":"i",'
            '"output_index":2,"arguments":"{}"}',
            realtime_mcp.McpArgumentsDone(
                response_id="r", item_id="i", output_index=2, arguments="{}"
            ),
        ),
        (
            '{"type":"response.mcp_call.failed","item_id":"i","output_index":1}',
            realtime_mcp.McpCallFailed(item_id="i", output_index=1),
        ),
    ],
)
def test_events_are_read(text: str, event: object) -> None:
    assert realtime_codec.parse(text) == event


@pytest.mark.parametrize(
    "event",
    [
        realtime_mcp.McpArgumentsDone(response_id="r", item_id="i"),
        realtime_mcp.McpCallInProgress(item_id="i"),
        realtime_mcp.McpCallCompleted(item_id="i"),
        realtime_mcp.McpCallFailed(item_id="i"),
    ],
)
def test_it_is_the_first_output_unless_something_else_is_said(event: object) -> None:
    assert getattr(event, "output_index") == 0  # noqa: B009 - of each class


def test_a_failure_may_say_nothing() -> None:
    failure = realtime_mcp.McpFailure()
    assert (failure.type, failure.code, failure.message) == ("", None, "")
