"""The tools that every gateway has, as the model is told about them."""

from __future__ import annotations

from typing import Any, Final

from gateway.agents.config import Agent

BUILT_IN_DEFINITIONS: Final[dict[str, dict[str, Any]]] = {
    "end_call": {
        "type": "function",
        "name": "end_call",
        "description": (
            "Hang up. First say goodbye aloud, in one short sentence and in the caller's "
            "language; call this right after it, in the same answer, and say nothing more. "
            "Use it when the caller says goodbye, asks to end the call or needs nothing else."
        ),
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    },
}


def definitions(agent: Agent) -> list[dict[str, Any]]:
    """The definitions of the agent's built-in tools, in the order of its file."""
    return [BUILT_IN_DEFINITIONS[name] for name in agent.tools]
