"""Caller, people and services of a scenario, and the network between them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from gateway.simulator.scenario.steps import Milliseconds, Seconds, StrictModel, or_bare_words

CallPath = Literal["media", "sip", "trunk"]
Party = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{5,14}|sips?:[^\s;?]+@[^\s;?]+|queue:\S+)$")]
"""A number, a SIP address, or a queue that somebody dials."""


class CallerSpec(StrictModel):
    """Numbers, path and direction of a call."""

    from_: str = Field("+15550199", alias="from")
    """Number of the caller."""
    to: str = "+15550100"
    """Number that is dialled."""
    frame_ms: Annotated[int, Field(ge=5, le=100)] = 20
    """Length of the media stream's frames."""
    path: CallPath = "media"
    """`sip`: a spawned gateway answers by SIP; `trunk`: the carrier dials the model at once."""
    diversion: str = ""
    """Number that forwarded the call over a trunk."""
    media: Literal["srtp", "rtp"] = "srtp"
    """Encryption that a trunk negotiates."""
    transfer_mode: Literal["enable-all", "disable-all", "sip-only"] = "enable-all"
    """Transfers that a trunk allows."""
    disaster_recovery: str = ""
    """Path or URL that a trunk fails over to."""
    direction: Literal["inbound", "outbound"] = "inbound"
    """`outbound`: the gateway is asked to call `to`, one of `people`, who does the steps."""
    agent: str = ""
    """Name of the agent that makes an outbound call."""
    about: str = ""
    """What an outbound call is for, in the request to the gateway."""
    facts: dict[str, str] = Field(default_factory=dict)
    """Facts in that request."""

    @model_validator(mode="after")
    def _who_calls(self) -> CallerSpec:
        if (self.direction == "outbound") != bool(self.agent):
            raise ValueError("direction: outbound goes with `agent`: which one calls")
        if self.direction == "outbound" and self.path == "trunk":
            raise ValueError("path: trunk carries inbound calls only")
        return self


class PersonSpec(StrictModel):
    """Person who can be called; `busy`, `no_answer` and the like may stand for the whole."""

    answers_after_s: Annotated[float, Field(ge=0)] = 1
    """How long it rings."""
    says: str = ""
    """Words on answering."""
    says_after_s: Annotated[float, Field(ge=0)] = 0
    """Silence between the answer and the words."""
    language: str = "en"
    """Language of the words."""
    presses: Annotated[str, Field(pattern=r"^[0-9*#A-D]*$")] = ""
    """Keys pressed when the call is screened."""
    hangs_up_after_s: Annotated[float, Field(ge=0)] | None = None
    """Time from the last word to the hang-up; unset, the caller hangs up."""
    busy: bool = False
    """The line is busy."""
    no_answer: bool = False
    """Nobody answers."""
    machine: bool = False
    """An answering machine answers: the words are a recording, and a beep follows."""
    beep: bool = True
    """Whether the machine beeps."""
    fax: bool = False
    """A fax machine answers."""

    model_config = ConfigDict(
        json_schema_extra=or_bare_words("busy", "no_answer", "machine", "fax")
    )

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:
        return {value: True} if isinstance(value, str) else value


class Answer(StrictModel):
    """Response of a web service on one path."""

    delay_ms: Milliseconds = 0
    """Time until the response."""
    status: Annotated[int, Field(ge=200, le=599)] = 200
    """HTTP status."""
    json_: Any = Field(None, alias="json")
    """Body of the response."""


class FaultSpec(StrictModel):
    """Faults of the network between carrier and gateway."""

    jitter_ms: Milliseconds = 0
    """Largest random delay of each frame."""
    stall_at_s: Seconds | None = None
    """When the stream stalls once."""
    stall_ms: Milliseconds = 500
    """How long it stalls."""
    drop_socket_after_s: Seconds | None = None
    """When the stream's connection breaks."""
