"""Hosted MCP servers: nothing is run here, but their secrets are found, or we do not start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.agents.config.agent import Agent
from gateway.agents.session import hosted_tools
from gateway.tools.secrets import secrets_for


def hosted(agent: Agent, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the session is told of them. Raises SettingsError for a secret that is not set."""
    secrets: dict[str, str] = {}
    for label, server in agent.hosted.items():
        secrets |= secrets_for(f"mcp server {label}", server.secrets, environ, in_headers=True)
    return hosted_tools(agent, secrets)
