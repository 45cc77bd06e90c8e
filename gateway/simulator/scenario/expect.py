"""Expectations of a scenario: what must hold after the call."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from gateway.simulator.scenario.parties import CallPath
from gateway.simulator.scenario.steps import StrictModel


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


def _without_default(schema: dict[str, Any]) -> None:
    """Remove a default that JSON cannot express."""
    schema.pop("default", None)


class Range(StrictModel):
    """Bounds of a number, both included."""

    min: float = 0
    """Lower bound."""
    max: float = Field(float("inf"), json_schema_extra=_without_default)
    """Upper bound."""


class Echo(StrictModel):
    """The caller's own words of a step must have been played back after it."""

    of_step: Annotated[int, Field(ge=1)]
    """Number of the step, from 1."""
    min_correlation: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Least correlation with the original."""
    first_ms: Annotated[float, Field(ge=500)] | None = None
    """Compare only this much of the beginning: the rest was interrupted."""


class Expect(StrictModel):
    """Expectations after the call; a key that is missing is not checked."""

    ending: Literal["gateway", "caller"] | None = None
    """Who ended the call."""
    how: str | None = None
    """How it ended, as the report names it."""
    min_turns: int | None = None
    """Least number of the caller's turns."""
    max_turns: int | None = None
    """Largest number of the caller's turns."""
    barge_ins: int | None = None
    """Number of interruptions that stopped the far end."""
    max_latency_ms: float | None = None
    """Longest wait for an answer (95th percentile of the call)."""
    silence_after_barge_in_ms: float | None = None
    """Longest time from an interruption to the silence of the far end."""
    heard_ms: Range | None = None
    """Sound that the caller heard in all."""
    heard_to_the_end: bool = False
    """No sound was cut off by the hang-up."""
    echo: Echo | None = None
    """The caller's own words came back."""
    transferred_to: str | None = None
    """Person who must have been on the line with the caller."""
    keys_heard: str | None = None
    """DTMF tones that the caller must have heard, and no others."""
    not_transferred_to: str | None = None
    """Person who was called for the caller and never connected."""
    whispered: Expression | None = None
    """What a person heard before they were connected: a regular expression."""
    music: bool = False
    """The caller heard something for as long as they waited in a queue."""
    talked: bool = False
    """A person to whom the call was transferred heard the caller."""
    tools: list[str] = Field([])
    """Tools that the model called, in this order, among others."""
    held: bool = False
    """The hold tone was heard."""
    texts: list[Expression] = Field([])
    """Texts that the caller received, in this order: each expression fits a whole text."""
    said: list[Expression] = Field([])
    """Sentences of the model, in this order, among others: each expression fits a whole one."""
    asked: dict[str, int] = Field({})
    """Number of requests to each path of `services`."""
    paths: dict[CallPath, int] = Field({})
    """Number of calls of the run that were first answered on each path."""
    agents: dict[str, int] = Field({})
    """Number of calls of the run that each agent answered."""
    after_beep: str | None = None
    """Words that an answering machine recorded, all of them and nothing else."""
    record: dict[str, Any] = Field({})
    """Fields of the gateway's record of an outbound call."""
    result: dict[str, Any] = Field({})
    """Fields of the call's result, which the model fills in when the call is over."""
    no_protocol_warnings: bool = True
    """Neither Twilio nor the model had anything to object to."""
    metrics: dict[str, float] = Field({})
    """Growth of the gateway's metrics during the run."""
