"""Transfer destinations, the fallback and keypad entry in the agents file."""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.hours import Hours

NUMBER: Final = r"\+[1-9][0-9]{6,14}"
"""E.164: with its country, so that no emergency number or short code fits."""
PARTY_FORM: Final = re.compile(rf"{NUMBER}|sips?:[^\s<>@]+@[^\s<>@]+")
PARTY: Final = rf"\A({NUMBER}|sips?:[^\s<>@]+@[^\s<>@]+)\z"


class KeypadTransfer(AgentFilePart):
    """How the caller's keys become one entry for the model."""

    end: Literal["#", "*"] | None = "#"
    """Completes it, and is no part of it."""
    pause_s: float = Field(
        limits.agents.KEYS_PAUSE_DEFAULT_S,
        ge=limits.agents.KEYS_PAUSE_MIN_S,
        le=limits.agents.KEYS_PAUSE_MAX_S,
    )
    max_digits: int = Field(limits.agents.KEYS_MAX, ge=1, le=limits.agents.KEYS_MAX)
    secret: bool = False
    """Only the model is told what was typed: no log, record, transcript or event stream."""


class TransferDestination(AgentFilePart):
    """Destination of a transfer: a number, a SIP address, or a queue."""

    to: str | None = Field(None, pattern=PARTY, max_length=limits.agents.SIP_URI_MAX_CHARS)
    queue: str | None = Field(None, min_length=1, max_length=limits.agents.QUEUE_NAME_MAX_CHARS)
    mode: Literal["cold", "warm"] = "cold"
    """`warm`: the person hears what it is about, and takes the call with a key."""
    hours: Hours | None = None
    description: str | None = Field(None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)

    @property
    def warm(self) -> bool:
        return self.mode == "warm"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.to is None) == (self.queue is None):
            raise wrong("to", "give either `to` or `queue`")
        if self.queue is not None and self.warm:
            raise wrong(
                "mode", "must be cold with a queue: no person is called who could be briefed"
            )
        return self


class Fallback(AgentFilePart):
    """Failover of a call without an agent: a person or a queue, then voicemail."""

    to: str | None = Field(None, pattern=PARTY, max_length=limits.agents.SIP_URI_MAX_CHARS)
    queue: str | None = Field(None, min_length=1, max_length=limits.agents.QUEUE_NAME_MAX_CHARS)
    voicemail: bool = False

    @model_validator(mode="after")
    def _one_person(self) -> Self:
        if self.to is not None and self.queue is not None:
            raise wrong("queue", "does not go with `to`: name one of them")
        return self
