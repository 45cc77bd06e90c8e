"""The agents file as a whole: its keys, and its text."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_options import FunctionTool
from gateway.agents.routing import Route
from gateway.errors import AgentFileError
from gateway.text_file import read_text


class AgentsDocument(BaseModel):
    """Agents by name, functions that several of them share, and the routes to agents."""

    model_config = ConfigDict(extra="forbid", strict=True)

    agents: dict[str, Agent] = Field(min_length=1)
    functions: dict[str, FunctionTool] = Field(
        default_factory=dict, max_length=limits.tools.FUNCTIONS_MAX
    )
    routes: list[Route] = Field(min_length=1)


def agents_text(path: Path) -> str:
    """Return the text of an agents file. Raises AgentFileError."""
    return read_text(path, limits.agents.AGENTS_FILE_MAX_BYTES, AgentFileError)
