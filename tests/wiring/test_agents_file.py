"""The agents file with its tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

AGENTS = """
agents:
  front:
    instructions: Answer.
    tools: [send_text]
    mcp: {diary: {url: "https://diary.example.com/mcp", via: gateway}}
routes: [{to: "*", agent: front}]
"""


def test_a_server_that_was_not_reached_yet_is_down(wired: Callable[..., Any]) -> None:
    value = wired(AGENTS).r.metrics.registry.get_sample_value("gateway_mcp_up", {"server": "diary"})
    assert value == 0


def test_a_tool_that_sends_texts_is_offered(wired: Callable[..., Any]) -> None:
    areas = wired(AGENTS)
    offered = areas.agents.in_use.current.toolbox.definitions(areas.r.book.agents["front"])
    assert "send_text" in {tool["name"] for tool in offered}
