"""Session configuration of each agent, built again when the tools of MCP servers changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.agents.routing import AgentBook
from gateway.agents.session import session_of
from gateway.tools.toolbox import Toolbox


class SessionConfigs:
    """Session configurations by agent and path, cached."""

    def __init__(self, book: AgentBook, toolbox: Toolbox) -> None:
        self._book, self._toolbox = book, toolbox
        self._made: dict[tuple[str, str, str | None], tuple[int, Mapping[str, Any]]] = {}

    def of(self, agent: str, path: str, audio: str | None = None) -> Mapping[str, Any]:
        """Return what a session that starts now asks for; on the SIP path without audio formats.

        `audio` takes the place of the agent's own, where the caller's line has another format.
        """
        revision, session = self._made.get((agent, path, audio), (-1, {}))
        if revision != self._toolbox.mcp.revision:
            revision, session = self._toolbox.mcp.revision, self._make(agent, path, audio)
            self._made[agent, path, audio] = revision, session
        return session

    def _make(self, name: str, path: str, audio: str | None) -> Mapping[str, Any]:
        agent = self._book.agents[name]
        changes = {"path": path} | ({"audio": audio} if audio else {})
        on_path = agent.model_copy(update=changes)
        return session_of(on_path, self._toolbox.definitions(agent))
