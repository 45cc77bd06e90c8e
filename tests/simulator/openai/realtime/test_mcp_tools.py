"""Hosted MCP as the simulated model has it: listed, approved, called, failed, in vendor events."""

from __future__ import annotations

from typing import Any

import pytest
from model_desk import Desk

from gateway.simulator.openai.realtime.mcp_tools import McpCallback
from gateway.simulator.openai.realtime.script import parse_script

TOOLS: list[dict[str, Any]] = [
    {"name": "find", "description": "Finds.", "input_schema": {}, "annotations": {}},
    {"name": "cancel", "description": None, "input_schema": {}, "annotations": None},
    {"name": "look", "input_schema": {}, "annotations": {"readOnlyHint": True}},
]
SCRIPT = """
think_ms: 0
turns:
  - [{say: Let me see., times: 1}, {call: {mcp: crm, name: find, arguments: {name: Smith}}}]
after_tool: [{say: It says $output}]
"""


class Reached:
    """An MCP server that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.told: list[McpCallback] = []

    def tools_of(self, server: dict[str, Any], told: McpCallback) -> None:
        told(TOOLS, None)

    def call(
        self, server: dict[str, Any], name: str, arguments: dict[str, Any], told: McpCallback
    ) -> None:
        self.asked.append((server["server_label"], name, arguments))
        self.told.append(told)

    def close(self) -> None:
        self.told.clear()


def a_desk(script: str = SCRIPT, **server: Any) -> tuple[Desk, Reached]:
    desk, reached = Desk(parse_script(script)), Reached()
    desk.session.hosted.reach = reached
    tool = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example/mcp"}
    desk.listen_in()
    desk.update(tools=[tool | server])
    desk.wait(0.1)
    return desk, reached


def ends(desk: Desk, reached: Reached, output: str | None, error: Any = None) -> None:
    told = reached.told.pop()
    desk.session.told(lambda: told(output, error), desk.now)
    desk.wait(0)


def item_of(desk: Desk, kind: str, event: str = "conversation.item.done") -> dict[str, Any]:
    items = [one["item"] for one in desk.of(event)]
    found: dict[str, Any] = [item for item in items if item["type"] == kind][-1]
    return found


def test_a_list_comes_after_the_session_is_confirmed() -> None:
    desk, _ = a_desk(require_approval="never")
    assert desk.types()[-5:] == [
        "session.updated",
        "mcp_list_tools.in_progress",
        "conversation.item.added",
        "conversation.item.done",
        "mcp_list_tools.completed",
    ]
    assert [tool["name"] for tool in item_of(desk, "mcp_list_tools")["tools"]] == [
        "find",
        "cancel",
        "look",
    ]


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (["find"], ["find"]),
        ({"tool_names": ["find", "look"]}, ["find", "look"]),
        ({"read_only": True}, ["look"]),
    ],
    ids=str,
)
def test_only_allowed_tools_are_listed(allowed: Any, names: list[str]) -> None:
    desk, _ = a_desk(allowed_tools=allowed)
    assert [tool["name"] for tool in item_of(desk, "mcp_list_tools")["tools"]] == names


def test_a_call_without_approval_runs_beside_the_response() -> None:
    desk, reached = a_desk(require_approval="never")
    before = len(desk.events)
    desk.talk()
    desk.wait(3)
    kinds = desk.types(before)
    assert reached.asked == [("crm", "find", {"name": "Smith"})]
    at = kinds.index("response.mcp_call_arguments.delta")
    assert kinds[at : at + 4] == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.done",
    ]
    ends(desk, reached, "Smith, 42")
    assert desk.events[-2]["type"] == "response.mcp_call.completed"
    assert item_of(desk, "mcp_call")["output"] == "Smith, 42"
    desk.wait(2)
    assert desk.events[-1]["type"] == "conversation.item.done"  # it does not go on by itself
    desk.send("response.create")
    desk.wait(5)
    assert "Smith, 42" in desk.last("response.output_audio_transcript.done")["transcript"]


def test_it_goes_on_by_itself_where_the_script_says_so() -> None:
    desk, reached = a_desk("mcp_goes_on: true\n" + SCRIPT, require_approval="never")
    desk.talk().wait(3)
    before = len(desk.events)
    ends(desk, reached, "Smith, 42")
    assert "response.created" in desk.types(before)


@pytest.mark.parametrize("policy", [None, "always", {"never": {"tool_names": ["look"]}}], ids=str)
def test_an_approval_is_asked_for_and_given(policy: Any) -> None:
    desk, reached = a_desk(**({} if policy is None else {"require_approval": policy}))
    desk.talk().wait(3)
    request = item_of(desk, "mcp_approval_request")
    assert (request["server_label"], request["name"]) == ("crm", "find")
    assert not reached.asked
    answer = {"type": "mcp_approval_response", "id": "ours", "approval_request_id": request["id"]}
    desk.send("conversation.item.create", item=answer | {"approve": True})
    assert reached.asked
    ends(desk, reached, "Smith, 42")
    assert item_of(desk, "mcp_call")["approval_request_id"] == request["id"]
    again = desk.send("conversation.item.create", item=answer | {"id": "2", "approve": True})
    assert desk.refusal(again) == ("invalid_value", "item.approval_request_id")


def test_what_is_denied_does_not_run() -> None:
    desk, reached = a_desk()
    desk.talk().wait(3)
    request = item_of(desk, "mcp_approval_request")
    answer = {"type": "mcp_approval_response", "id": "ours", "approval_request_id": request["id"]}
    desk.send("conversation.item.create", item=answer | {"approve": False, "reason": "No."})
    desk.wait(1)
    assert not reached.asked
    assert item_of(desk, "mcp_call").get("output") is None


@pytest.mark.parametrize(
    "error",
    [
        {"type": "protocol_error", "code": -32602, "message": "No."},
        {"type": "tool_execution_error", "message": "It broke."},
        {"type": "http_error", "code": 502, "message": "Bad gateway"},
    ],
    ids=lambda error: error["type"],
)
def test_a_call_fails_in_three_ways(error: dict[str, Any]) -> None:
    desk, reached = a_desk(require_approval="never")
    desk.talk().wait(3)
    ends(desk, reached, None, error)
    assert desk.events[-2]["type"] == "response.mcp_call.failed"
    assert item_of(desk, "mcp_call")["error"] == error


def test_a_tool_that_is_not_listed_is_not_called() -> None:
    desk, reached = a_desk(allowed_tools=["cancel"])
    desk.talk().wait(3)
    assert not reached.asked
    assert "skipped" in [note["kind"] for note in desk.notes]
