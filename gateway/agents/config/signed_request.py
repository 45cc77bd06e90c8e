"""A signed request to the operator, as the agents file has it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from gateway.agents.config.base import AgentFilePart
from gateway.agents.config.tool_options import SECRET_ALONE, Headers, Url, secrets_in

FIXED_URL: Final = r"\Ahttps?://[^\s{}/?#@\\]+(/[^\s{}#\\]*)?\z"
DEFAULT_SECRET: Final = "GATEWAY_EVENTS_SECRET"  # noqa: S105 - the name of a variable


class SignedRequest(AgentFilePart):
    """A POST request to the operator, signed by Standard Webhooks."""

    url: Url = Field(pattern=FIXED_URL)
    headers: Headers = Field(default_factory=dict)
    secret: Annotated[str, Field(pattern=SECRET_ALONE)] = f"${{{DEFAULT_SECRET}}}"
    """Names the variable of the environment with the signing secret, `whsec_...`."""
    allow_private: bool = False
    """Whether the address may be loopback, link-local or of a private network."""

    @property
    def secret_name(self) -> str:
        """Return the variable of the environment that the request is signed with."""
        return self.secret[2:-1]

    @property
    def header_secrets(self) -> frozenset[str]:
        """Return the variables of the environment that headers use."""
        return secrets_in(self.headers.values())
