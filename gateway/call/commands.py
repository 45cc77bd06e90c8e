"""Commands of a call to the bridge, carried out in order, in one synchronous step."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


# One for each frame: a struct is made in a sixth of the time of a frozen dataclass.
class CommandBase(Struct, frozen=True, gc=False):
    """Base of every command."""


class SendToModel(CommandBase, frozen=True):
    """Send one text message over the model's socket."""

    data: bytes


class SendToCaller(CommandBase, frozen=True):
    """Send one text message over the caller's socket."""

    data: bytes


class OpenModel(CommandBase, frozen=True):
    """Open a new connection to the model, in place of the one there is or was."""

    after_s: float
    """Not before; the bridge adds jitter, lest all calls reconnect in the same moment."""


class OpenNextSession(CommandBase, frozen=True):
    """Open a second connection beside the one in use."""

    model: str


class SendToNextSession(CommandBase, frozen=True):
    """Send one text message over the second connection."""

    data: bytes


class SwitchToNextSession(CommandBase, frozen=True):
    """Put the second connection in the place of the first, which is closed."""


class CloseNextSession(CommandBase, frozen=True):
    """Close the second connection."""


class CloseModel(CommandBase, frozen=True):
    """Close all connections to the model."""


class CloseCaller(CommandBase, frozen=True):
    """Close the stream: the carrier goes on with what `/twilio/after` answers."""


class HangUp(CommandBase, frozen=True):
    """End the telephone call itself; where that fails, close the stream."""


class TransferCaller(CommandBase, frozen=True):
    """Transfer the caller to somebody. A failure comes back as an input."""

    to: str
    """A number, a SIP address, or the name of a queue."""
    way: Literal["dial", "warm", "queue"] = "dial"
    """`warm`: the person first hears the summary, and takes the call with a key."""
    summary: str = ""


class CollectSecret(CommandBase, frozen=True):
    """Have the carrier take keys of the caller, past the model and this process.

    A failure comes back as `TransferFailed`; otherwise the caller leaves, and comes back.
    """

    kind: Literal["digits", "payment"]
    name: str
    """As the agents file names it."""


class ReleaseCall(CommandBase, frozen=True):
    """Have the carrier ask anew what to do with the call: another process will answer it."""


class ReattachSideband(CommandBase, frozen=True):
    """SIP: open the connection to the model again; it is lost, the call is not."""


class RunTool(CommandBase, frozen=True):
    """Call a function of the operator's, off the audio path; `ToolFinished` comes back."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the model made it up."""


class CancelTool(CommandBase, frozen=True):
    """Stop a function that runs; no `ToolFinished` is expected any more."""

    call_id: str


class DetachTool(CommandBase, frozen=True):
    """Let a function that runs finish beside the call, which ends: what it does may matter."""

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
    | CollectSecret
    | ReleaseCall
    | ReattachSideband
    | RunTool
    | CancelTool
    | DetachTool
)
