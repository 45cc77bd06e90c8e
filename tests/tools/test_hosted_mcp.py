"""Secrets of hosted MCP servers: from the environment into the session, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.app import build
from gateway.errors import SettingsError
from gateway.settings import load_settings
from gateway.tools.toolbox import Toolbox

SERVER = {
    "via": "openai",
    "url": "https://crm.example.com/mcp",
    "authorization": "${CRM_TOKEN}",
    "headers": {"X-Key": "${CRM_KEY}"},
}


def book() -> AgentBook:
    agent = Agent.model_validate(
        {"name": "desk", "instructions": "x", "tools": ["end_call"], "mcp": {"crm": SERVER}}
    )
    return AgentBook({"desk": agent}, (Route(to="*", agent="desk"),))


def test_the_session_has_them() -> None:
    box = Toolbox(book(), {"CRM_TOKEN": "t0ken", "CRM_KEY": "k3y"})
    end_call, crm = box.definitions(book().agents["desk"])
    assert end_call["name"] == "end_call"
    assert (crm["server_label"], crm["authorization"]) == ("crm", "t0ken")
    assert crm["headers"] == {"X-Key": "k3y"}


@pytest.mark.parametrize("missing", ["CRM_TOKEN", "CRM_KEY"])
def test_without_one_nothing_starts(missing: str) -> None:
    environ = {"CRM_TOKEN": "t0ken", "CRM_KEY": "k3y"} | {missing: ""}
    with pytest.raises(SettingsError, match=f"mcp server crm needs {missing}"):
        Toolbox(book(), environ)


def test_the_agent_itself_does_not_know_them() -> None:
    assert "t0ken" not in repr(book())


@pytest.mark.parametrize("via", ["openai", "gateway"])
@pytest.mark.parametrize("approval", ["operator", "{none: [find], operator: [cancel]}"])
def test_whoever_is_asked_must_be_able_to_answer(tmp_path: Path, approval: str, via: str) -> None:
    agents = tmp_path / "agents.yaml"
    agents.write_text(
        "agents:\n  desk:\n    instructions: x\n    mcp:\n      crm: "
        f"{{via: {via}, url: 'https://crm.example.com/mcp', approval: {approval}}}\n"
        "routes:\n  - {to: '*', agent: desk}\n"
    )
    environ = {"GATEWAY_AGENTS": str(agents)}
    with pytest.raises(SettingsError, match=r"agents\.desk\.mcp\.crm\.approval asks operators"):
        build(load_settings(environ, simulated=True))
    build(load_settings(environ | {"GATEWAY_ADMIN_TOKEN": "token"}, simulated=True))
