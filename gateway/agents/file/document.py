"""The agents file as a whole: its keys, and its text."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_options import FunctionTool
from gateway.agents.routing import Route
from gateway.errors import AgentFileError


class AgentsDocument(BaseModel):
    """Agents by name, functions that several of them share, and the routes to agents."""

    model_config = ConfigDict(extra="forbid", strict=True)

    agents: dict[str, Agent] = Field(min_length=1)
    functions: dict[str, FunctionTool] = Field(
        default_factory=dict, max_length=limits.tools.FUNCTIONS_MAX
    )
    routes: list[Route] = Field(min_length=1)


def read_text(path: Path) -> str:
    """Return the text of an agents file. Raises AgentFileError."""
    try:
        with path.open("rb") as file:
            content = file.read(limits.agents.AGENTS_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise AgentFileError(path, None, None, f"cannot be read: {error.strerror}") from None
    if len(content) > limits.agents.AGENTS_FILE_MAX_BYTES:
        raise AgentFileError(
            path, None, None, f"is larger than {limits.agents.AGENTS_FILE_MAX_BYTES} bytes"
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise AgentFileError(path, line, None, "is not UTF-8") from None
