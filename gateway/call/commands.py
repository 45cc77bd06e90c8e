"""What the mind asks of the hands. Carried out in order, in one synchronous step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct


# One for each frame: a struct is made in a sixth of the time of a frozen dataclass.
class SendToModel(Struct, frozen=True, gc=False):
    """One text message for the model's socket."""

    data: bytes


class SendToCaller(Struct, frozen=True, gc=False):
    """One text message for the caller's socket."""

    data: bytes


@dataclass(frozen=True, slots=True)
class OpenModel:
    """Open a new connection to the model, in place of the one there is or was."""

    after_s: float
    """Not before; the hands add chance, lest all calls come back in the same moment."""


@dataclass(frozen=True, slots=True)
class OpenNextSession:
    """Open a second connection beside the one in use."""


@dataclass(frozen=True, slots=True)
class SendToNextSession:
    """One text message for the second connection."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SwitchToNextSession:
    """The second connection takes the place of the first, which is closed."""


@dataclass(frozen=True, slots=True)
class CloseNextSession:
    pass


@dataclass(frozen=True, slots=True)
class CloseModel:
    """All connections to the model."""


@dataclass(frozen=True, slots=True)
class CloseCaller:
    """Close the stream: the carrier goes on with what `/twilio/after` answers."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the telephone call itself; where that fails, close the stream."""


@dataclass(frozen=True, slots=True)
class TransferCaller:
    """Hand the caller over to somebody. A failure comes back as an input."""

    to: str
    """A number, a SIP address, or the name of a queue."""
    way: Literal["dial", "warm", "queue"] = "dial"
    """`warm`: the person first hears the summary, and takes the call with a key."""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseCall:
    """Have the carrier ask anew what to do with the call: another process will answer it."""


@dataclass(frozen=True, slots=True)
class ReattachSideband:
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
    | OpenModel
    | OpenNextSession
    | SendToNextSession
    | SwitchToNextSession
    | CloseNextSession
    | CloseModel
    | CloseCaller
    | HangUp
    | TransferCaller
    | ReleaseCall
    | ReattachSideband
    | RunTool
    | CancelTool
)
