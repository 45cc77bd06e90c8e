"""Hosted MCP as the simulated model has it: listed, approved, called, failed, in vendor events."""

from __future__ import annotations

from typing import Any

import pytest
from session_rig import SessionRig

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


class FakeNetwork:
    """MCP server that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.waiting: list[McpCallback] = []

    def tools_of(self, server: dict[str, Any], on_done: McpCallback) -> None:
        on_done(TOOLS, None)

    def call(
        self, server: dict[str, Any], name: str, arguments: dict[str, Any], on_done: McpCallback
    ) -> None:
        self.asked.append((server["server_label"], name, arguments))
        self.waiting.append(on_done)

    def close(self) -> None:
        self.waiting.clear()


def a_session(script: str = SCRIPT, **server: Any) -> tuple[SessionRig, FakeNetwork]:
    rig, reached = SessionRig(parse_script(script)), FakeNetwork()
    rig.session.hosted.network = reached
    tool = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example/mcp"}
    rig.listen_in()
    rig.update(tools=[tool | server])
    rig.wait(0.1)
    return rig, reached


def ends(rig: SessionRig, reached: FakeNetwork, output: str | None, error: Any = None) -> None:
    on_done = reached.waiting.pop()
    rig.session.resume(lambda: on_done(output, error), rig.now)
    rig.wait(0)


def item_of(rig: SessionRig, kind: str, event: str = "conversation.item.done") -> dict[str, Any]:
    items = [one["item"] for one in rig.of(event)]
    found: dict[str, Any] = [item for item in items if item["type"] == kind][-1]
    return found


def test_a_list_comes_after_the_session_is_confirmed() -> None:
    rig, _ = a_session(require_approval="never")
    assert rig.types()[-5:] == [
        "session.updated",
        "mcp_list_tools.in_progress",
        "conversation.item.added",
        "conversation.item.done",
        "mcp_list_tools.completed",
    ]
    assert [tool["name"] for tool in item_of(rig, "mcp_list_tools")["tools"]] == [
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
    rig, _ = a_session(allowed_tools=allowed)
    assert [tool["name"] for tool in item_of(rig, "mcp_list_tools")["tools"]] == names


def test_a_call_without_approval_runs_beside_the_response() -> None:
    rig, reached = a_session(require_approval="never")
    before = len(rig.events)
    rig.talk()
    rig.wait(3)
    kinds = rig.types(before)
    assert reached.asked == [("crm", "find", {"name": "Smith"})]
    at = kinds.index("response.mcp_call_arguments.delta")
    assert kinds[at : at + 4] == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.done",
    ]
    ends(rig, reached, "Smith, 42")
    assert rig.events[-2]["type"] == "response.mcp_call.completed"
    assert item_of(rig, "mcp_call")["output"] == "Smith, 42"
    rig.wait(2)
    assert rig.events[-1]["type"] == "conversation.item.done"  # it does not go on by itself
    rig.send("response.create")
    rig.wait(5)
    assert "Smith, 42" in rig.last("response.output_audio_transcript.done")["transcript"]


def test_it_goes_on_by_itself_where_the_script_says_so() -> None:
    rig, reached = a_session("mcp_goes_on: true\n" + SCRIPT, require_approval="never")
    rig.talk().wait(3)
    before = len(rig.events)
    ends(rig, reached, "Smith, 42")
    assert "response.created" in rig.types(before)


@pytest.mark.parametrize("policy", [None, "always", {"never": {"tool_names": ["look"]}}], ids=str)
def test_an_approval_is_asked_for_and_given(policy: Any) -> None:
    rig, reached = a_session(**({} if policy is None else {"require_approval": policy}))
    rig.talk().wait(3)
    request = item_of(rig, "mcp_approval_request")
    assert (request["server_label"], request["name"]) == ("crm", "find")
    assert not reached.asked
    answer = {"type": "mcp_approval_response", "id": "ours", "approval_request_id": request["id"]}
    rig.send("conversation.item.create", item=answer | {"approve": True})
    assert reached.asked
    ends(rig, reached, "Smith, 42")
    assert item_of(rig, "mcp_call")["approval_request_id"] == request["id"]
    again = rig.send("conversation.item.create", item=answer | {"id": "2", "approve": True})
    assert rig.refusal(again) == ("invalid_value", "item.approval_request_id")


def test_what_is_denied_does_not_run() -> None:
    rig, reached = a_session()
    rig.talk().wait(3)
    request = item_of(rig, "mcp_approval_request")
    answer = {"type": "mcp_approval_response", "id": "ours", "approval_request_id": request["id"]}
    rig.send("conversation.item.create", item=answer | {"approve": False, "reason": "No."})
    rig.wait(1)
    assert not reached.asked
    assert item_of(rig, "mcp_call").get("output") is None


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
    rig, reached = a_session(require_approval="never")
    rig.talk().wait(3)
    ends(rig, reached, None, error)
    assert rig.events[-2]["type"] == "response.mcp_call.failed"
    assert item_of(rig, "mcp_call")["error"] == error


def test_a_tool_that_is_not_listed_is_not_called() -> None:
    rig, reached = a_session(allowed_tools=["cancel"])
    rig.talk().wait(3)
    assert not reached.asked
    assert "skipped" in [note["kind"] for note in rig.journal]
