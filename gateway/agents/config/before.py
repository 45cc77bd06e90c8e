"""`before:` of an agent: what is asked about a call before its first word."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.tool_options import SECRET, Headers, Url

DEFAULT_SECRET: Final = "GATEWAY_EVENTS_SECRET"  # noqa: S105 - the name of a variable


class BeforeRequest(AgentFilePart):
    """A signed POST request."""

    url: Url = Field(pattern=r"\Ahttps?://[^\s{}/?#@\\]+(/[^\s{}#\\]*)?\z")
    headers: Headers = Field(default_factory=dict)
    secret: Annotated[str, Field(pattern=rf"\A{SECRET.pattern}\z")] = f"${{{DEFAULT_SECRET}}}"
    """Names the variable of the environment with the signing secret, `whsec_...`."""
    allow_private: bool = False

    @property
    def secret_name(self) -> str:
        return self.secret[2:-1]

    @property
    def header_secrets(self) -> frozenset[str]:
        """Return the variables of the environment that headers use."""
        return frozenset(name for value in self.headers.values() for name in SECRET.findall(value))


class Before(AgentFilePart):
    """An HTTP address or Python function of the operator's, and how long it may take."""

    http: BeforeRequest | None = None
    python: Annotated[str, Field(pattern=r"\A[A-Za-z_][\w.]*:[A-Za-z_]\w*\z")] | None = None
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
