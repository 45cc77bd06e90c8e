"""Secret input in the agents file: what a caller types past the model, and who learns of it."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.signed_request import SignedRequest
from gateway.agents.config.tool_options import NAME

COLLECTS_DIGITS: Final = "collect_digits"
TAKES_PAYMENT: Final = "take_payment"
SECRET_TOOLS: Final = {COLLECTS_DIGITS: "secret_digits", TAKES_PAYMENT: "payments"}
"""Built-in tools by which a caller types a secret, and the key of the agent that names each."""
T = TypeVar("T")
SecretKind = Literal["digits", "payment"]


class SecretRequest(SignedRequest):
    """The request that what was typed is sent by, and how long its answer may take.

    Inherits the address and the signature: in the file they stand beside the time.
    """

    timeout_s: float = Field(
        limits.tools.SECRET_FUNCTION_TIMEOUT_DEFAULT_S,
        gt=0,
        le=limits.tools.SECRET_FUNCTION_TIMEOUT_MAX_S,
    )


class SecretInputBase(AgentFilePart):
    """Keys that both kinds of secret input have."""

    description: str | None = Field(None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)
    """What the model knows of it."""
    attempts: int = Field(
        limits.tools.SECRET_ATTEMPTS_DEFAULT, ge=1, le=limits.tools.SECRET_ATTEMPTS_MAX
    )
    key_wait_s: int = Field(
        limits.tools.SECRET_KEY_WAIT_DEFAULT_S, ge=1, le=limits.tools.SECRET_KEY_WAIT_MAX_S
    )
    """How long the carrier waits for the next key."""
    http: SecretRequest
    """Gets what was typed, or the token; the model learns only its answer."""


class SecretDigits(SecretInputBase):
    """Digits that the caller types into `<Gather>`.

    Inherits what both kinds have: in the file they stand beside its own keys.
    """

    digits: Annotated[int, Field(ge=1, le=limits.tools.SECRET_DIGITS_MAX)] | None = None
    """Exactly so many; without it the caller ends with #."""
    ask: str | None = Field(None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)
    """Said by the carrier's voice; without it a sentence in the caller's language."""


class Payment(SecretInputBase):
    """A card that the caller types into `<Pay>`: the operator gets a token for it.

    Inherits what both kinds have: in the file they stand beside its own keys.
    """

    connector: str = Field("Default", min_length=1, max_length=128)
    """Name of the Pay Connector in the account."""
    token: Literal["one-time", "reusable"] = "one-time"  # noqa: S105 - the kind of a token
    security_code: bool = True
    postal_code: bool = False


def _named(parts: dict[str, T]) -> dict[str, T]:
    for name in parts:
        if not NAME.fullmatch(name):
            raise wrong(name, "must be a name of letters")
    return parts


class SecretInputs(AgentFilePart):
    """Base of an agent: the secrets that it may ask for, by name."""

    tools: list[str] = Field(default_factory=list)
    secret_digits: Annotated[dict[str, SecretDigits], AfterValidator(_named)] = Field(
        default_factory=dict, max_length=limits.tools.SECRET_KINDS_MAX
    )
    payments: Annotated[dict[str, Payment], AfterValidator(_named)] = Field(
        default_factory=dict, max_length=limits.tools.SECRET_KINDS_MAX
    )

    @model_validator(mode="after")
    def _secrets_are_collected(self) -> Self:
        for tool, key in SECRET_TOOLS.items():
            if (tool in self.tools) != bool(getattr(self, key)):
                raise wrong(key, f"goes with `{tool}` in tools: name at least one")
        return self

    def secret_input(self, kind: SecretKind, name: str) -> SecretInputBase | None:
        """Return what the agent says of a secret input; None for one that it does not have."""
        found = self.secret_digits if kind == "digits" else self.payments
        return found.get(name)
