"""How an agent calls people: from which number, whom it may reach, and what a machine gets."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong
from gateway.agents.config.calling_hours import CallingHoursField
from gateway.agents.config.placeholders import Fillable
from gateway.agents.config.transfers import NUMBER

E164: Final = re.compile(NUMBER)
PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,6}")
"""Start of numbers: a country code, or one with the first digits of an area."""

Policy = Literal["talk", "leave_message", "hang_up"]


def _number(text: str) -> str:
    if not E164.fullmatch(text):
        raise ValueError('must be a number like "+14155550100"')
    return text


def _prefix(text: str) -> str:
    if not PREFIX.fullmatch(text):
        raise ValueError('must be the start of numbers, like "+44" or "+1415"')
    return text


class Outbound(AgentFilePart):
    """Calls that an agent places; one without this part calls nobody."""

    from_: Annotated[str, AfterValidator(_number)] = Field(alias="from")
    ring_timeout_s: int = Field(
        limits.agents.RING_DEFAULT_S, ge=limits.agents.RING_MIN_S, le=limits.agents.RING_MAX_S
    )
    countries: list[Annotated[str, AfterValidator(_prefix)]] = Field(
        default_factory=list, max_length=limits.agents.DIAL_COUNTRIES_MAX
    )
    """Starts of the numbers that this agent may call; empty: all that the gateway may call."""
    hours: CallingHoursField = None
    """When people may be called, on the clock of the place where they are."""
    screening: Literal["explain", "hang_up"] | None = None
    """What is done when a telephone's assistant asks who is calling; None: nothing of its own."""
    machine: Policy = "hang_up"
    message: Fillable | None = Field(
        None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS
    )
    fax: Literal["talk", "hang_up"] = "hang_up"
    unknown: Policy = "talk"

    @model_validator(mode="after")
    def _message_is_left(self) -> Self:
        if self.leaves_message != (self.message is not None):
            raise wrong("message", "goes with `leave_message`: name what is said after the beep")
        return self

    @property
    def leaves_message(self) -> bool:
        """Whether a machine, or an unknown answerer, gets the agent's message."""
        return "leave_message" in (self.machine, self.unknown)

    @property
    def detects(self) -> bool:
        """Whether it matters who answers; the carrier is paid for finding out."""
        return any(policy != "talk" for policy in (self.machine, self.fax, self.unknown))

    def policy(self, who: str) -> Policy:
        """Return what to do when `human`, `machine`, `fax` or `unknown` has answered."""
        policies: dict[str, Policy] = {
            "machine": self.machine,
            "fax": self.fax,
            "unknown": self.unknown,
        }
        return policies.get(who, "talk")


def reaches(number: str, prefixes: tuple[str, ...] | list[str]) -> bool:
    """Return whether a number in E.164 begins with one of these; False without any."""
    return any(number.startswith(prefix) for prefix in prefixes)
