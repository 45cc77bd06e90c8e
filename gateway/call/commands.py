"""What the mind asks of the hands. Carried out in order, in one synchronous step."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


# One for each frame: a struct is made in a sixth of the time of a frozen dataclass.
class SendToModel(Struct, frozen=True, gc=False):
    """One text message for the model's socket."""

    data: bytes


class SendToCaller(Struct, frozen=True, gc=False):
    """One text message for the caller's socket."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseModel:
    pass


@dataclass(frozen=True, slots=True)
class CloseCaller:
    """Close the stream: the carrier goes on with what `/twilio/after` answers."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the telephone call itself; where that fails, close the stream."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller over to a number or SIP address. A failure comes back as an input."""

    to: str


@dataclass(frozen=True, slots=True)
class Reattach:
    """SIP: the connection to the model is lost, the call is not. Open it again."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Call a function of the operator's, off the audio path; `ToolFinished` comes back."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the model made it up."""


@dataclass(frozen=True, slots=True)
class CancelTool:
    call_id: str


Command = (
    SendToModel
    | SendToCaller
    | CloseModel
    | CloseCaller
    | HangUp
    | Transfer
    | Reattach
    | RunTool
    | CancelTool
)
