"""Session configuration of a call: the same for all, but for what a call fills in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.bridge.calls.session_configs import SessionConfigs


class Tools:
    """A toolbox whose MCP servers may change what they offer."""

    def __init__(self) -> None:
        self.mcp = SimpleNamespace(revision=0)
        self.offered = ["look_up"]

    def definitions(self, _agent: Agent) -> list[dict[str, Any]]:
        return [{"type": "function", "name": name} for name in self.offered]


class Rig:
    def __init__(self, instructions: str = "Be kind.") -> None:
        agent = Agent(name="desk", instructions=instructions)
        self.tools = Tools()
        book = AgentBook({"desk": agent}, (Route(to="*", agent="desk"),))
        self._configs = SessionConfigs(book, self.tools)  # type: ignore[arg-type]

    def of(self, path: str = "media-streams", audio: str = "", **facts: str) -> Any:
        return self._configs.of("desk", path, facts, audio)


def test_calls_of_an_agent_share_one_object() -> None:
    rig = Rig()
    assert rig.of() is rig.of(name="Lee")
    assert rig.of("sip") is rig.of("sip")
    assert rig.of("sip") != rig.of()


def test_what_the_servers_offer_now_is_offered() -> None:
    rig = Rig()
    before = rig.of()
    rig.tools.offered.append("order")
    assert rig.of() is before, "they have not said so"
    rig.tools.mcp.revision += 1
    assert [tool["name"] for tool in rig.of()["tools"]] == ["look_up", "order"]
    assert rig.of() is rig.of()


def test_what_is_known_of_a_call_stands_in_its_own_instructions() -> None:
    rig = Rig("Be kind to {facts.name|them}.")
    mine, other = rig.of(name="Lee"), rig.of(name="Kim")
    assert "Be kind to Lee." in mine["instructions"]
    assert "Be kind to Kim." in other["instructions"]
    assert {**mine, "instructions": ""} == {**other, "instructions": ""}


@pytest.mark.parametrize(
    ("audio", "kind"), [("", "audio/pcm"), ("pcm24k", "audio/pcm"), ("pcmu", "audio/pcmu")]
)
def test_a_call_keeps_the_format_that_its_line_has(audio: str, kind: str) -> None:
    assert Rig().of(audio=audio)["audio"]["input"]["format"]["type"] == kind
