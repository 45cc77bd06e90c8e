"""Session configuration of each agent, built again when the tools of MCP servers changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.agents.config.placeholders import filled, has_placeholders
from gateway.agents.routing import AgentBook
from gateway.agents.session import session_of
from gateway.tools.toolbox import Toolbox


class SessionConfigs:
    """Session configurations by agent and path, cached."""

    def __init__(self, book: AgentBook, toolbox: Toolbox) -> None:
        self._book, self._toolbox = book, toolbox
        self._made: dict[tuple[str, ...], tuple[int, Mapping[str, Any]]] = {}

    def of(
        self, agent: str, path: str, facts: Mapping[str, str], audio: str = ""
    ) -> Mapping[str, Any]:
        """Return what a session that starts now asks for; on the SIP path without audio formats.

        Without placeholders in the instructions it is the same object for every call. `audio` takes
        the place of the agent's own: a call keeps the format that it began with.
        """
        session = self._of_all_calls(agent, path, audio or self._book.agents[agent].audio)
        instructions = session["instructions"]
        if not has_placeholders(instructions):
            return session
        return {**session, "instructions": filled(instructions, facts)}

    def _of_all_calls(self, *key: str) -> Mapping[str, Any]:
        made, revision = self._made.get(key), self._toolbox.mcp.revision
        if made is None or made[0] != revision:
            made = self._made[key] = revision, self._make(*key)
        return made[1]

    def _make(self, name: str, path: str, audio: str) -> Mapping[str, Any]:
        agent = self._book.agents[name]
        on_path = agent.model_copy(update={"path": path, "audio": audio})
        return session_of(on_path, self._toolbox.definitions(agent))
