"""Hosted MCP servers: the vendor runs them, their secrets come from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.agents.config.agent import Agent
from gateway.agents.session import hosted_tools
from gateway.tools.secrets import secrets_for


def hosted(agent: Agent, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return their definitions for the session. Raises SettingsError for an unset secret."""
    secrets: dict[str, str] = {}
    for label, server in agent.hosted.items():
        secrets |= secrets_for(f"mcp server {label}", server.secrets, environ, in_headers=True)
    return hosted_tools(agent, secrets)
