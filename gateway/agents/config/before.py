"""`before:` of an agent: what is asked about a call before its first word."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.signed_request import SignedRequest
from gateway.agents.config.tool_options import PYTHON_FUNCTION


class Before(AgentFilePart):
    """An HTTP address or Python function of the operator's, and how long it may take."""

    http: SignedRequest | None = None
    python: Annotated[str, Field(pattern=PYTHON_FUNCTION)] | None = None
    timeout_ms: int = Field(
        limits.briefing.BEFORE_TIMEOUT_DEFAULT_MS,
        ge=limits.briefing.BEFORE_TIMEOUT_MIN_MS,
        le=limits.briefing.BEFORE_TIMEOUT_MAX_MS,
    )
    cache_s: float = Field(
        limits.briefing.BEFORE_CACHE_DEFAULT_S, ge=0, le=limits.briefing.BEFORE_CACHE_MAX_S
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.http is None) == (self.python is None):
            raise wrong("http", "give either `http` or `python`")
        return self
